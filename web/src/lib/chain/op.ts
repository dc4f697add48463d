// What an event does to its chain.

import { utf8 } from '../bytes.ts';
import { parseKey } from '../keys/key.ts';
import { DEVICE_BYTES, PROOF_URL_BYTES } from '../limits.ts';
import { Refusal } from '../refusal.ts';
import { demand, isObject, type Members } from '../verify.ts';
import type { Key, Subject } from '../wire.ts';
import { parseSubject } from './subject.ts';

/** An operation with its members. */
export type Op =
  /** This account is the person's. One that is there already is replaced. `proof_url`: where the account says so, too. */
  | { readonly op: 'add'; readonly subject: Subject; readonly proof_url?: string }
  /** This account is the person's no more. */
  | { readonly op: 'revoke'; readonly subject: Subject }
  /** This device is the person's no more. */
  | { readonly op: 'revoke'; readonly device: string }
  /** The chain goes on under another key; `proof` is its signature, in hex, over the canonical payload of the event without this member. */
  | { readonly op: 'rotate'; readonly new_primary: Key; readonly proof: string }
  /** This device is the person's. One that is there already gets the name. */
  | { readonly op: 'add_device'; readonly device: string; readonly name: string }
  /** Something that later versions know: kept and served, and changes nothing. */
  | { readonly op: 'unknown'; readonly called: string };

/** Reads the operation of an event's payload. Throws `invalid_event`, `invalid_subject`, `invalid_primary`. */
export function readOp({ op, payload: inner }: Members): Op {
  demand(typeof op === 'string' && isObject(inner), 'invalid_event');
  switch (op) {
    case 'add': {
      const subject = given(text(inner, 'subject'), 'invalid_subject');
      const added = { op, subject: parseSubject(subject) } as const;
      const url = word(inner, 'proof_url', PROOF_URL_BYTES);
      return url === undefined ? added : { ...added, proof_url: url };
    }
    case 'revoke': {
      const subject = text(inner, 'subject');
      const account = subject === undefined ? undefined : parseSubject(subject);
      const device = word(inner, 'device', DEVICE_BYTES);
      if (account !== undefined && device === undefined) return { op, subject: account };
      if (account === undefined && device !== undefined) return { op, device };
      throw new Refusal('invalid_event');
    }
    case 'rotate': {
      const key = parseKey(given(text(inner, 'new_primary'), 'invalid_primary'));
      return { op, new_primary: key, proof: given(text(inner, 'proof'), 'invalid_event') };
    }
    case 'add_device': {
      const device = given(word(inner, 'device', DEVICE_BYTES), 'invalid_event');
      const name = given(text(inner, 'name'), 'invalid_event');
      demand(isShort(name, DEVICE_BYTES) && !/\p{Cc}/u.test(name), 'invalid_event');
      return { op, device, name };
    }
    default:
      return { op: 'unknown', called: op };
  }
}

/** A text member, undefined where it is absent; `null` and other kinds are refused. */
function text(inner: Members, member: string): string | undefined {
  if (!Object.hasOwn(inner, member)) return undefined;
  const value = inner[member];
  demand(typeof value === 'string', 'invalid_event');
  return value;
}

/** A text of 1 to `max` bytes without white space. */
function word(inner: Members, member: string, max: number): string | undefined {
  const value = text(inner, member);
  const good = value === undefined || (isShort(value, max) && !/[\p{White_Space}\p{Cc}]/u.test(value));
  demand(good, 'invalid_event');
  return value;
}

function isShort(value: string, max: number): boolean {
  return value !== '' && utf8(value).length <= max;
}

function given(
  value: string | undefined,
  code: 'invalid_event' | 'invalid_subject' | 'invalid_primary',
): string {
  demand(value !== undefined, code);
  return value;
}
