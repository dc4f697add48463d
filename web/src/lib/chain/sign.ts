// Signing what comes next in a chain. The readers' own code has taken an event before its signer gets it.

import { hex, utf8 } from '../bytes.ts';
import { type Signed, signed } from '../envelope.ts';
import type { Signer } from '../keys/suite.ts';
import { demand } from '../verify.ts';
import type { Timestamp } from '../wire.ts';
import { Chain } from './chain.ts';
import { proven, TAG, TYPE, verifyEvent } from './event.ts';
import { type Op, readOp } from './op.ts';

/** Signs the event that goes on `chain`, or begins one, unless it would be refused there. Throws as `Chain.append` and `Chain.begin` do. */
export function signEvent(chain: Chain | undefined, op: Op, createdAt: Timestamp, signer: Signer): Signed {
  const { op: name, ...members } = op;
  // With subjects in their one spelling.
  const { op: known, ...payload } = readOp({ op: name, payload: members });
  demand(known !== 'unknown', 'invalid_event');
  return finish(chain, { ...draft(chain, createdAt), op: known, payload }, signer);
}

/** Signs the event by which `chain`, or one that begins with it, goes on under the key of `next`, which proves that it is wanted there. Throws as `signEvent` does. */
export function signRotation(
  chain: Chain | undefined,
  createdAt: Timestamp,
  signer: Signer,
  next: Signer,
): Signed {
  const payload = { new_primary: next.primary };
  const members = { ...draft(chain, createdAt), op: 'rotate', payload };
  const unproven = { ...members, type: TYPE, version: 1, primary: signer.primary };
  const proof = hex(next.sign(proven(unproven)));
  return finish(chain, { ...members, payload: { ...payload, proof } }, signer);
}

function draft(chain: Chain | undefined, created_at: Timestamp) {
  return chain ? { seq: chain.nextSeq, prev: chain.head, created_at } : { seq: 0, created_at };
}

function finish(chain: Chain | undefined, members: Record<string, unknown>, signer: Signer): Signed {
  const envelope = signed(TAG, TYPE, members, signer);
  const bytes = utf8(JSON.stringify(envelope));
  if (chain) chain.check(verifyEvent(bytes));
  else Chain.begin(bytes);
  return envelope;
}
