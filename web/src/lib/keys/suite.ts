// How keys sign: what both kinds have, and Ed25519. What only deals with handles needs no more.

import { fromHex } from '../bytes.ts';
import { Refusal } from '../refusal.ts';
import type { Key } from '../wire.ts';
import { strongKey, verifyEd25519 } from './ed25519.ts';

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

/** The `alg` of Nostr keys. */
export const NOSTR_ALG = 'nostr-secp256k1-schnorr-sha256-jcs';

/** The `alg` of a key's signatures. */
export function algOf(key: Key): string {
  return key.startsWith('nostr:') ? NOSTR_ALG : ED25519.alg;
}

/** Verifies a signature (128 lower-case hex digits) of a key over a message. Throws `invalid_primary`, `bad_signature`. */
export function verifySignature(suite: Suite, key: Key, message: Uint8Array, signature: string): void {
  const publicKey = suite.read(key);
  const holds = /^[0-9a-f]{128}$/.test(signature) && suite.verify(publicKey, message, fromHex(signature));
  if (!holds) throw new Refusal('bad_signature');
}
