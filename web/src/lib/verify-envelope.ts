// Envelopes of either kind of key.

import { NOSTR } from './keys/key.ts';
import { ED25519 } from './keys/suite.ts';
import { type Verified, verifyBy } from './verify.ts';

/** Parses and verifies an envelope of any suite. What it throws, and in what order, is as of `verify`. */
export function verifyEnvelope(bytes: Uint8Array, tag: string, type: string): Verified {
  return verifyBy([ED25519, NOSTR], bytes, tag, type);
}
