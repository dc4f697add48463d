/// <reference types="vite/client" />
// The standards' own vectors, and those that every client must treat alike.

import { schnorr } from '@noble/curves/secp256k1.js';
import { expect, test } from 'vitest';
import bip340 from '../../../../proto-schemas/vectors/bip340.csv?raw';
import golden from '../../../../proto-schemas/vectors/golden.json';
import phrases from '../../../../proto-schemas/vectors/mnemonic.json';
import rfc8032 from '../../../../proto-schemas/vectors/rfc8032.json';
import rfc8785 from '../../../../proto-schemas/vectors/rfc8785.json';
import { fromHex, hex, utf8 } from '../bytes.ts';
import { canonical } from '../canonical.ts';
import { Identity } from '../identity.ts';
import { parseStrict } from '../json.ts';
import { Refusal } from '../refusal.ts';
import { BadPhrase } from './bad-phrase.ts';
import { strongKey, verifyEd25519 } from './ed25519.ts';
import { parseKey } from './key.ts';
import { ofEntropy, ofSeed, seed } from './mnemonic.ts';
import { NostrIdentity, nostrKey, npub, verifyNostr } from './nostr.ts';

test('RFC 8032', () => {
  expect(rfc8032.vectors.length).toBeGreaterThan(3);
  for (const vector of rfc8032.vectors) {
    const [message, signature] = [fromHex(vector.message), fromHex(vector.signature)];
    const identity = Identity.fromSeed(fromHex(vector.secret));
    expect(identity.primary).toBe(`ed25519:${vector.public}`);
    expect(hex(identity.sign(message))).toBe(vector.signature);
    const key = strongKey(identity.primary);
    expect(verifyEd25519(key, message, signature)).toBe(true);
    expect(verifyEd25519(key, utf8('another'), signature)).toBe(false);
  }
});

/** The rows whose key is no point. */
const NO_POINT = ['5', '14'];

/** BIP-340 signs bytes; what is over it here is SHA-256, so that the vectors go one level below. */
test('BIP-340', () => {
  const rows = bip340.trim().split(/\r?\n/).slice(1);
  expect(rows).toHaveLength(19);
  for (const row of rows) {
    const [index, secret, key, aux, message, signature, verdict] = row.toLowerCase().split(',') as string[];
    const bytes = (text?: string) => fromHex(text ?? '');
    const valid = () => {
      nostrKey(npub(bytes(key)));
      return schnorr.verify(bytes(signature), bytes(message), bytes(key));
    };
    if (verdict === 'true') expect(valid(), index).toBe(true);
    else if (!NO_POINT.includes(index ?? '')) expect(valid(), index).toBe(false);
    else expect(valid, index).toThrow(new Refusal('invalid_primary'));
    if (!secret) continue;
    expect(hex(NostrIdentity.fromSecret(bytes(secret)).publicKey)).toBe(key);
    expect(hex(schnorr.sign(bytes(message), bytes(secret), bytes(aux))), index).toBe(signature);
  }
});

test('RFC 8785', () => {
  expect(rfc8785.numbers.length).toBeGreaterThan(20);
  for (const vector of rfc8785.numbers) {
    const number = new DataView(fromHex(vector.bits).buffer).getFloat64(0);
    // An integer that a double can't hold exactly isn't signed here, whatever its text would be.
    if (Number.isInteger(number) && !Number.isSafeInteger(number)) {
      expect(JSON.stringify(number)).toBe(vector.canonical);
      expect(() => canonical(number)).toThrow(TypeError);
    } else {
      expect(canonical(number)).toBe(vector.canonical);
    }
  }
  expect(rfc8785.documents.length).toBeGreaterThan(4);
  for (const { input, canonical: want } of rfc8785.documents) {
    expect(canonical(parseStrict(utf8(input)))).toBe(want);
  }
});

test('phrases', () => {
  expect(phrases.vectors).toHaveLength(3);
  for (const vector of phrases.vectors) {
    expect(hex(seed(vector.phrase))).toBe(vector.seed);
    expect(Identity.fromSeed(seed(vector.phrase)).primary).toBe(`ed25519:${vector.public}`);
  }
  for (const byte of [0, 1, 0x42, 0xff]) {
    const bytes = new Uint8Array(32).fill(byte);
    expect(ofSeed(bytes).split(' ')).toHaveLength(24);
    expect(seed(ofSeed(bytes))).toEqual(bytes);
    expect(ofEntropy(bytes.subarray(16)).split(' ')).toHaveLength(12);
  }
  expect(() => ofSeed(new Uint8Array(16))).toThrow(TypeError);
  expect(() => ofEntropy(new Uint8Array(32))).toThrow(TypeError);
});

test('phrases as people type them, and what is none', () => {
  const typed = '\n Legal\u3000WINNER thank\tyear wave\r\nsausage worth useful legal winner  thank yellow ';
  expect(seed(typed)).toEqual(seed(phrases.vectors[2]?.phrase ?? ''));
  const eleven = 'abandon '.repeat(11);
  for (const [phrase, code, at] of [
    ['', 'word_count', 0],
    ['abandon', 'word_count', 1],
    ['abandon '.repeat(15), 'word_count', 15],
    [`${eleven}abandonn`, 'unknown_word', 12],
    // Full-width letters, and the Kelvin sign, which other ways of comparing take for ASCII.
    [`ａbandon ${eleven}`, 'unknown_word', 1],
    [`\u212aingdom ${eleven}`, 'unknown_word', 1],
    [`${eleven}abandon`, 'checksum', undefined],
    [`${' '.repeat(5000)}${eleven}about`, 'word_count', 12],
  ] as const) {
    const error = catching(() => seed(phrase));
    expect(error, phrase).toBeInstanceOf(BadPhrase);
    expect(error).toMatchObject({ code, at });
    expect(`${error} ${(error as Error).cause}`).not.toContain('abandon');
  }
});

test('golden identities', () => {
  const [ed25519, nostr] = golden.identities;
  expect(Identity.fromSeed(fromHex(ed25519?.seed ?? '')).primary).toBe(ed25519?.key);
  expect(hex(seed(ed25519?.phrase ?? ''))).toBe(ed25519?.seed);
  const signer = NostrIdentity.fromSecret(fromHex(nostr?.secret ?? ''));
  expect(signer.primary).toBe(nostr?.key);
  expect(verifyNostr(signer.publicKey, utf8('x'), signer.sign(utf8('x')))).toBe(true);
  expect(verifyNostr(signer.publicKey, utf8('y'), signer.sign(utf8('x')))).toBe(false);
  expect(() => NostrIdentity.fromSecret(new Uint8Array(32))).toThrow();
});

test('a key has one spelling', () => {
  const [{ key: primary = '' } = {}, { key: nostr = '' } = {}] = golden.identities;
  for (const key of [primary, nostr]) expect(parseKey(key)).toBe(key);
  // The same bytes as a secret key and under the checksum of bech32m; 31 bytes; no point's x coordinate.
  for (const bad of [
    '',
    ':',
    'ed25519:',
    'nostr:',
    'nostr:npub1',
    primary.slice(8),
    primary.toUpperCase(),
    `${primary}\n`,
    nostr.toUpperCase(),
    `nostr:${nostr.slice(6).toUpperCase()}`,
    `${nostr}\n`,
    nostr.replace('npub10uc', 'npub10ud'),
    nostr.replace('nostr:', 'github:'),
    primary.replace('ed25519:', 'nostr:'),
    'nostr:npub1llllllllllllllllllllllllllllllllllllllllllllllllllllq2twmd',
    `nostr:${npub(new Uint8Array(31).fill(1))}`,
    `nostr:${npub(new Uint8Array(32).fill(0xff))}`,
  ]) {
    expect(() => parseKey(bad), bad).toThrow(new Refusal('invalid_primary'));
  }
});

function catching(attempt: () => unknown): unknown {
  try {
    return attempt();
  } catch (error) {
    return error;
  }
}
