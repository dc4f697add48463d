// Primary keys of either kind, and how each signs. A handle takes Ed25519 alone; identity logs and claims take both.

import { fromHex } from '../bytes.ts';
import { Refusal } from '../refusal.ts';
import type { Key } from '../wire.ts';
import { strongKey, verifyEd25519 } from './ed25519.ts';
import { nostrKey, verifyNostr } from './nostr.ts';

/** Holds a secret key, or reaches one. */
export interface Signer {
  /** The public half: `ed25519:<64 hex>` or `nostr:npub1…`. */
  readonly primary: Key;
  /** The 64 bytes of the signature: Ed25519 over the message itself, BIP-340 over its SHA-256. */
  sign(message: Uint8Array): Uint8Array;
}

/** How keys of one kind sign. */
export interface Suite {
  /** The `alg` of an envelope. */
  readonly alg: string;
  /** The bytes of a key that may sign. Throws `invalid_primary`. */
  read(key: Key): Uint8Array;
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

/** Ed25519 over the RFC 8785 bytes of `payload`. */
export const ED25519: Suite = { alg: 'ed25519-sha512-jcs', read: strongKey, verify: verifyEd25519 };

/** BIP-340 over SHA-256 of the RFC 8785 bytes of `payload`. */
export const NOSTR: Suite = {
  alg: 'nostr-secp256k1-schnorr-sha256-jcs',
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

/** Verifies a signature (128 lower-case hex digits) of a key over a message. Throws `invalid_primary`, `bad_signature`. */
export function verifySignature(suite: Suite, key: Key, message: Uint8Array, signature: string): void {
  const publicKey = suite.read(key);
  const holds = /^[0-9a-f]{128}$/.test(signature) && suite.verify(publicKey, message, fromHex(signature));
  if (!holds) throw new Refusal('bad_signature');
}
