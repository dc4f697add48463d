// The one HPKE suite (RFC 9180), on the keys that people have: Ed25519 primaries in their X25519 form.

import { ed25519 } from '@noble/curves/ed25519.js';
import { AEAD_ChaCha20Poly1305, KDF_HKDF_SHA256, KEM_DHKEM_X25519_HKDF_SHA256 } from '@panva/hpke-noble';
import { CipherSuite, type KEMFactory, type Key } from 'hpke';
import { utf8 } from '../bytes.ts';
import type { Identity } from '../identity.ts';
import { strongKey } from '../keys/ed25519.ts';
import type { Primary } from '../wire.ts';

const INFO = utf8('kez-chat/v2');

/** The suite; with another key encapsulation only where a test fixes what is drawn. */
export function suiteOf(kem: KEMFactory): CipherSuite {
  return new CipherSuite(kem, KDF_HKDF_SHA256, AEAD_ChaCha20Poly1305);
}

const SUITE = suiteOf(KEM_DHKEM_X25519_HKDF_SHA256);

/** A ciphertext and the key that was made for it alone. */
export interface Box {
  readonly enc: Uint8Array;
  readonly ct: Uint8Array;
}

/** The X25519 form of a primary (RFC 7748, the map from Edwards to Montgomery). Throws `invalid_primary`. */
export function x25519Of(primary: Primary): Uint8Array {
  return ed25519.utils.toMontgomery(strongKey(primary));
}

/** The key that opens what `sealTo` seals to this identity's primary. */
export function secretKey(identity: Identity): Promise<Key> {
  const secret = identity.x25519Secret();
  return SUITE.DeserializePrivateKey(secret, false).finally(() => secret.fill(0));
}

/** Seals. An all-zero result of X25519 throws (RFC 9180, 7.1.4); no primary gives one, since weak keys are none. */
export async function sealTo(to: Primary, plaintext: Uint8Array, suite = SUITE): Promise<Box> {
  const key = await suite.DeserializePublicKey(x25519Of(to));
  const { encapsulatedSecret, ciphertext } = await suite.Seal(key, plaintext, { info: INFO, aad: utf8(to) });
  return { enc: encapsulatedSecret, ct: ciphertext };
}

/** Opens what was sealed to `me`, whose key this is. Throws, and tells nothing: another key, changed bytes, an `enc` of small order. */
export function openFor(me: Primary, key: Key, { enc, ct }: Box): Promise<Uint8Array> {
  return SUITE.Open(key, enc, ct, { info: INFO, aad: utf8(me) });
}
