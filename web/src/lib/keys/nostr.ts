// The keys of Nostr accounts: BIP-340, written as `npub1…` (NIP-19).

import { schnorr } from '@noble/curves/secp256k1.js';
import { bytesToNumberBE } from '@noble/curves/utils.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bech32 } from '@scure/base';
import { Refusal } from '../refusal.ts';
import type { Key } from '../wire.ts';
import type { Signer } from './suite.ts';

const HRP = 'npub';

/** A secp256k1 key pair. The secret is kept from whatever prints or copies objects. */
export class NostrIdentity implements Signer {
  readonly #secret: Uint8Array;
  /** The public half, 32 bytes of BIP-340. */
  readonly publicKey: Uint8Array;

  private constructor(secret: Uint8Array) {
    this.#secret = secret;
    this.publicKey = schnorr.getPublicKey(secret);
  }

  /** From the 32 bytes of BIP-340. Throws for those that aren't a secret key: zero, and beyond the group's order. */
  static fromSecret(secret: Uint8Array): NostrIdentity {
    return new NostrIdentity(Uint8Array.from(secret));
  }

  /** `nostr:npub1…` */
  get primary(): Key {
    return `nostr:${npub(this.publicKey)}`;
  }

  /** The signature over SHA-256 of the message, 64 bytes; another one each time. */
  sign(message: Uint8Array): Uint8Array {
    return schnorr.sign(sha256(message), this.#secret);
  }
}

/** Whether a signature of 64 bytes is that of `nostrKey` over SHA-256 of the message. */
export function verifyNostr(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return schnorr.verify(signature, sha256(message), key);
}

/** The text form of a public key. */
export function npub(publicKey: Uint8Array): string {
  return bech32.encode(HRP, bech32.toWords(publicKey));
}

/** The 32 bytes of `npub1…`, in its one spelling, of a point on the curve. Throws `invalid_primary`. */
export function nostrKey(text: string): Uint8Array {
  try {
    const { bytes } = bech32.decodeToBytes(text);
    schnorr.utils.lift_x(bytesToNumberBE(bytes));
    if (bytes.length === 32 && npub(bytes) === text) return bytes;
  } catch (cause) {
    throw new Refusal('invalid_primary', { cause });
  }
  throw new Refusal('invalid_primary');
}
