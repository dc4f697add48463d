// A claim: a key says that an account elsewhere is the same person's. The account must say so, too: that is looked up by others.

import { utf8 } from '../bytes.ts';
import { type Signed, signed } from '../envelope.ts';
import type { Signer } from '../keys/suite.ts';
import { CLAIM_BYTES } from '../limits.ts';
import { Refusal } from '../refusal.ts';
import { millis } from '../timestamp.ts';
import { demand } from '../verify.ts';
import { verifyEnvelope } from '../verify-envelope.ts';
import type { Key, Subject, Timestamp } from '../wire.ts';
import { parseSubject } from './subject.ts';

const TAG = 'claim';
const TYPE = 'kez.claim';

/** A claim whose signature holds. */
export interface Claim {
  /** The account, in its one spelling. */
  readonly subject: Subject;
  /** The key that claims it. */
  readonly primary: Key;
  readonly created_at: Timestamp;
  /** When the claim ends; absent where it doesn't. */
  readonly expires_at?: Timestamp;
}

/**
 * Verifies an envelope's bytes. Throws a `Refusal`, in this order: `too_large` (beyond 16 KiB), those of `verifyEnvelope`, `invalid_subject`,
 * `invalid_timestamp`. Whether it has ended is another question: `isOver`.
 */
export function verifyClaim(bytes: Uint8Array): Claim {
  demand(bytes.length <= CLAIM_BYTES, 'too_large');
  const { payload, primary } = verifyEnvelope(bytes, TAG, TYPE);
  demand(typeof payload.subject === 'string', 'invalid_subject');
  const claim = {
    subject: parseSubject(payload.subject),
    primary,
    created_at: time(payload.created_at),
  };
  return Object.hasOwn(payload, 'expires_at') ? { ...claim, expires_at: time(payload.expires_at) } : claim;
}

/** Whether a claim has ended at this time; the second of `expires_at` itself is behind the end. */
export function isOver(claim: Claim, now: Timestamp): boolean {
  return claim.expires_at !== undefined && seconds(claim.expires_at) <= seconds(now);
}

/** Signs a claim. Throws a `Refusal`: `invalid_subject`, `invalid_timestamp`, also if it ends before it begins, or `bad_signature` of a signer out of order. */
export function signClaim(
  subject: string,
  createdAt: Timestamp,
  signer: Signer,
  expiresAt?: Timestamp,
): Signed {
  const members = { subject: parseSubject(subject), created_at: createdAt };
  const lasting = expiresAt === undefined;
  demand(lasting || seconds(createdAt) < seconds(expiresAt), 'invalid_timestamp');
  const envelope = signed(TAG, TYPE, lasting ? members : { ...members, expires_at: expiresAt }, signer);
  verifyClaim(utf8(JSON.stringify(envelope)));
  return envelope;
}

function time(text: unknown): Timestamp {
  seconds(text);
  return text as Timestamp;
}

function seconds(text: unknown): number {
  const value = millis(text);
  if (value === undefined) throw new Refusal('invalid_timestamp');
  return value / 1000;
}
