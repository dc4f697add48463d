// A person's key, or a session's: Ed25519 (RFC 8032).

import { ed25519 } from '@noble/curves/ed25519.js';
import { fromHex, hex } from './bytes.ts';
import { userKey } from './nats/nkey.ts';
import type { Primary } from './wire.ts';

/** An Ed25519 key pair. The seed is kept from whatever prints or copies objects. */
export class Identity {
  readonly #seed: Uint8Array;
  #wiped = false;
  /** The public half, 32 bytes. */
  readonly publicKey: Uint8Array;

  private constructor(seed: Uint8Array) {
    this.#seed = seed;
    this.publicKey = ed25519.getPublicKey(seed);
  }

  /** From the 32 bytes of RFC 8032. */
  static fromSeed(seed: Uint8Array): Identity {
    if (seed.length !== 32) throw new TypeError('a seed is 32 bytes');
    return new Identity(Uint8Array.from(seed));
  }

  /** A fresh one, from the system's randomness. */
  static generate(): Identity {
    return new Identity(crypto.getRandomValues(new Uint8Array(32)));
  }

  /** `ed25519:<64 hex>` */
  get primary(): Primary {
    return `ed25519:${hex(this.publicKey)}`;
  }

  /** The same key as NATS writes it: `U…`. */
  get nkey(): string {
    return userKey(this.publicKey);
  }

  /** The signature, 64 bytes. At once, since NATS asks for it in the middle of a login. */
  sign(message: Uint8Array): Uint8Array {
    return ed25519.sign(message, this.#secret());
  }

  /** The X25519 secret of this key, for opening what is sealed to it. Whoever asks wipes it. */
  x25519Secret(): Uint8Array {
    return ed25519.utils.toMontgomerySecret(this.#secret());
  }

  /** Takes the seed out of memory; whatever needs it then throws. */
  wipe(): void {
    this.#wiped = true;
    this.#seed.fill(0);
  }

  #secret(): Uint8Array {
    if (this.#wiped) throw new Error('the key was wiped');
    return this.#seed;
  }
}

/** The 32 bytes of a primary. */
export function publicKeyOf(primary: Primary): Uint8Array {
  const [, digits] = /^ed25519:([0-9a-f]{64})$/.exec(primary) ?? [];
  if (!digits) throw new TypeError('a primary is ed25519: and 64 lower-case hex digits');
  return fromHex(digits);
}
