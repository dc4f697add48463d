// Primary keys of either kind. A handle takes Ed25519 alone; identity logs and claims take both.

import type { Key } from '../wire.ts';
import { nostrKey, verifyNostr } from './nostr.ts';
import { ED25519, NOSTR_ALG, type Suite } from './suite.ts';

/** BIP-340 over SHA-256 of the RFC 8785 bytes of `payload`. */
export const NOSTR: Suite = {
  alg: NOSTR_ALG,
  read: (key) => nostrKey(/^nostr:(.*)$/s.exec(key)?.[1] ?? ''),
  verify: verifyNostr,
};

/** How this key signs. */
export function suiteOf(key: Key): Suite {
  return key.startsWith('nostr:') ? NOSTR : ED25519;
}

/** A key in its one spelling. Throws `invalid_primary`. */
export function parseKey(text: string): Key {
  suiteOf(text).read(text);
  return text;
}
