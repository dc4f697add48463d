// Ed25519 as the services verify it: what one reader takes, every reader takes.

import { ed25519 } from '@noble/curves/ed25519.js';
import { bytesToNumberLE } from '@noble/curves/utils.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { hex } from '../bytes.ts';
import { publicKeyOf } from '../identity.ts';
import { Refusal } from '../refusal.ts';
import type { Primary } from '../wire.ts';

const { Point } = ed25519;

/** The bytes of a primary that is a canonical point and isn't weak. Throws `invalid_primary`. */
export function strongKey(primary: Primary): Uint8Array {
  try {
    const bytes = publicKeyOf(primary);
    if (!Point.fromBytes(bytes, false).isSmallOrder()) return bytes;
  } catch (cause) {
    throw new Refusal('invalid_primary', { cause });
  }
  throw new Refusal('invalid_primary');
}

/** Whether a signature of 64 bytes is that of a `strongKey` over the message, as `verify_strict` of `ed25519-dalek` judges it. */
export function verifyEd25519(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  // The default takes signatures and keys in second spellings.
  return ed25519.verify(signature, message, key, { zip215: false }) && exact(key, message, signature);
}

/**
 * The library multiplies RFC 8032's equation by the cofactor, and so takes signatures with a part of small order in R, which only their signer can make.
 * The services don't: R must be the very encoding of [s]B − [k]A, and of no small order. This comes behind the library's own check, and can only refuse.
 */
function exact(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const [r, s] = [signature.subarray(0, 32), signature.subarray(32)];
  const hash = sha512.create().update(r).update(key).update(message).digest();
  const k = Point.Fn.create(bytesToNumberLE(hash));
  const expected = Point.BASE.multiplyUnsafe(bytesToNumberLE(s)).subtract(
    Point.fromBytes(key, false).multiplyUnsafe(k),
  );
  return !Point.fromBytes(r, false).isSmallOrder() && hex(expected.toBytes()) === hex(r);
}
