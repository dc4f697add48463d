// One signed event of a chain, as far as it can be judged alone.

import { sha256 } from '@noble/hashes/sha2.js';
import { hex, utf8 } from '../bytes.ts';
import { canonical } from '../canonical.ts';
import { parseStrict } from '../json.ts';
import { suiteOf } from '../keys/key.ts';
import { verifySignature } from '../keys/suite.ts';
import { EVENT_BYTES } from '../limits.ts';
import { Refusal } from '../refusal.ts';
import { millis } from '../timestamp.ts';
import { demand, isObject, type Members } from '../verify.ts';
import { verifyEnvelope } from '../verify-envelope.ts';
import type { Key, Timestamp } from '../wire.ts';
import { type Op, readOp } from './op.ts';

export const TAG = 'sigchain_event';
export const TYPE = 'kez.sigchain.event';

/** An event whose signature holds, and whose proof, too, if it is a rotation. */
export interface Event {
  /** Who signed. */
  readonly primary: Key;
  /** Its place in the chain, from 0. */
  readonly seq: number;
  /** What it says the event before it is. */
  readonly prev?: string;
  readonly created_at: Timestamp;
  readonly op: Op;
  /** What the next event's `prev` must be; names this very event. */
  readonly link: string;
}

/**
 * How an event's `prev` names the event before it: `sha256:` and, in lower-case hex, SHA-256 of the canonical bytes of the whole signed event, however these
 * bytes are spaced. Throws as `parseStrict` does.
 */
export function link(bytes: Uint8Array): string {
  return linkOf(canonicalBytes(bytes));
}

function canonicalBytes(bytes: Uint8Array): Uint8Array {
  return utf8(canonical(parseStrict(bytes)));
}

function linkOf(whole: Uint8Array): string {
  return `sha256:${hex(sha256(whole))}`;
}

/**
 * Verifies an event's bytes by itself; a `Chain` judges its place. Throws a `Refusal`, in this order: `too_large` (beyond 16 KiB), those of `verifyEnvelope`,
 * `too_large` again (its canonical bytes, for numbers can grow: 1e15), `invalid_event`, `invalid_timestamp`, `invalid_subject` or `invalid_primary` (the new one), `invalid_proof`.
 */
export function verifyEvent(bytes: Uint8Array): Event {
  demand(bytes.length <= EVENT_BYTES, 'too_large');
  const { payload, primary } = verifyEnvelope(bytes, TAG, TYPE);
  const whole = canonicalBytes(bytes);
  demand(whole.length <= EVENT_BYTES, 'too_large');
  const { seq, prev, created_at } = payload;
  demand(Number.isSafeInteger(seq) && (seq as number) >= 0, 'invalid_event');
  const follows = Object.hasOwn(payload, 'prev');
  demand(!follows || typeof prev === 'string', 'invalid_event');
  demand(millis(created_at) !== undefined, 'invalid_timestamp');
  const op = readOp(payload);
  if (op.op === 'rotate') prove(payload, op.new_primary, op.proof);
  return {
    primary,
    // −0 is 0.
    seq: (seq as number) + 0,
    ...(follows ? { prev: prev as string } : {}),
    created_at: created_at as Timestamp,
    op,
    link: linkOf(whole),
  };
}

/** What the new key of a rotation signs: the event's payload without `proof`. */
export function proven(payload: Members): Uint8Array {
  const { proof: _, ...inner } = isObject(payload.payload) ? payload.payload : {};
  return utf8(canonical({ ...payload, payload: inner }));
}

function prove(payload: Members, key: Key, proof: string): void {
  try {
    verifySignature(suiteOf(key), key, proven(payload), proof);
  } catch (cause) {
    throw new Refusal('invalid_proof', { cause });
  }
}
