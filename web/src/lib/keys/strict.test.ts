// Signatures that only their own signer can make, and that verifiers differ about: with parts of small order.

import { ED25519_TORSION_SUBGROUP, ed25519 } from '@noble/curves/ed25519.js';
import { bytesToNumberLE, numberToBytesLE } from '@noble/curves/utils.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { expect, test } from 'vitest';
import { fromHex, hex, utf8 } from '../bytes.ts';
import { canonical } from '../canonical.ts';
import { Refusal } from '../refusal.ts';
import { verifyEnvelope } from '../verify-envelope.ts';
import { strongKey, verifyEd25519 } from './ed25519.ts';

const { Point } = ed25519;
const TORSION = ED25519_TORSION_SUBGROUP.map((point) => Point.fromHex(point));
const { scalar, point: PUBLIC } = ed25519.utils.getExtendedPublicKey(new Uint8Array(32).fill(0x42));
const MESSAGE = utf8('strict');

type Curve = typeof PUBLIC;

/** A signature over `message` of the key `A` = the person's own plus a part of small order, with `R` = [r]B plus another. */
function forge(r: bigint, inR: Curve, A: Curve, message = MESSAGE) {
  const R = Point.BASE.multiplyUnsafe(r).add(inR);
  const hash = sha512.create().update(R.toBytes()).update(A.toBytes()).update(message).digest();
  const k = Point.Fn.create(bytesToNumberLE(hash));
  const s = Point.Fn.create(r + k * scalar);
  const signature = Uint8Array.from([...R.toBytes(), ...numberToBytesLE(s, 32)]);
  return { key: A.toBytes(), signature, k };
}

const lenient = (key: Uint8Array, signature: Uint8Array) =>
  ed25519.verify(signature, MESSAGE, key, { zip215: false });

test('a part of small order in R alone is refused, though the library takes it', () => {
  expect(TORSION).toHaveLength(8);
  for (const [nth, part] of TORSION.entries()) {
    for (const r of [5n, 6n]) {
      const { key, signature } = forge(r, part, PUBLIC);
      expect(lenient(key, signature)).toBe(true);
      expect(verifyEd25519(key, MESSAGE, signature), `${nth}`).toBe(part.is0());
    }
  }
});

test('an R of small order is refused, though the equation holds', () => {
  for (const part of TORSION) {
    const { key, signature } = forge(0n, part, PUBLIC);
    expect(lenient(key, signature)).toBe(true);
    expect(verifyEd25519(key, MESSAGE, signature)).toBe(false);
  }
});

test('a key with a part of small order signs where the parts cancel out exactly, and only there', () => {
  let [taken, refused] = [0, 0];
  for (const inKey of TORSION.slice(1)) {
    const key = PUBLIC.add(inKey);
    strongKey(`ed25519:${hex(key.toBytes())}`);
    for (const inR of TORSION) {
      for (let r = 1n; r < 5n; r++) {
        const forged = forge(r, inR, key);
        expect(lenient(forged.key, forged.signature)).toBe(true);
        const cancels = inKey.multiplyUnsafe(forged.k).add(inR).is0();
        expect(verifyEd25519(forged.key, MESSAGE, forged.signature)).toBe(cancels);
        if (cancels) taken++;
        else refused++;
      }
    }
  }
  expect(taken).toBeGreaterThan(5);
  expect(refused).toBeGreaterThan(100);
});

test('an envelope is judged like that, too', () => {
  const primary = `ed25519:${hex(PUBLIC.toBytes())}`;
  const payload = { type: 'kez.test', version: 1, primary };
  const envelope = (part: Curve) => {
    const { signature } = forge(7n, part, PUBLIC, utf8(canonical(payload)));
    const members = { alg: 'ed25519-sha512-jcs', key: primary, sig: hex(signature) };
    return utf8(JSON.stringify({ kez: 'test', payload, signature: members }));
  };
  expect(verifyEnvelope(envelope(Point.ZERO), 'test', 'kez.test').payload).toEqual(payload);
  for (const part of TORSION.slice(1)) {
    expect(() => verifyEnvelope(envelope(part), 'test', 'kez.test')).toThrow(new Refusal('bad_signature'));
  }
});

test('second spellings are refused: S beyond the order, keys and R beyond the field, weak keys', () => {
  const { key, signature } = forge(5n, Point.ZERO, PUBLIC);
  const s = bytesToNumberLE(signature.subarray(32)) + Point.Fn.ORDER;
  const again = Uint8Array.from([...signature.subarray(0, 32), ...numberToBytesLE(s, 32)]);
  expect(verifyEd25519(key, MESSAGE, signature)).toBe(true);
  expect(verifyEd25519(key, MESSAGE, again)).toBe(false);
  // y = p + 1 is the identity again.
  const identity = `ee${'f'.repeat(60)}7f`;
  const odd = Uint8Array.from([...fromHex(identity), ...signature.subarray(32)]);
  expect(verifyEd25519(key, MESSAGE, odd)).toBe(false);
  for (const bad of [identity, ...TORSION.map((point) => point.toHex())]) {
    expect(() => strongKey(`ed25519:${bad}`)).toThrow(new Refusal('invalid_primary'));
  }
});
