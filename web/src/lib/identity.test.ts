import { expect, test } from 'vitest';
import { fromHex, hex, utf8 } from './bytes.ts';
import { Identity, publicKeyOf } from './identity.ts';

const seed = (fill: (n: number) => number) => Uint8Array.from({ length: 32 }, (_, n) => fill(n));

test('the same seed is the same key as everywhere', () => {
  const vectors: [Uint8Array, string][] = [
    [seed(() => 0), '3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29'],
    [seed(() => 0x42), '2152f8d19b791d24453242e15f2eab6cb7cffa7b6a5ed30097960e069881db12'],
  ];
  for (const [bytes, key] of vectors) expect(Identity.fromSeed(bytes).primary).toBe(`ed25519:${key}`);
  const identity = Identity.fromSeed(seed((n) => n + 1));
  expect(identity.nkey).toBe('UB43KVROR7TFJ6KAPCYRF2FJROTZAH4FHLTJLPWX4DRZCC5NASLGJBFE');
  expect(publicKeyOf(identity.primary)).toEqual(identity.publicKey);
});

test('a signature is that of RFC 8032', () => {
  // The first two test vectors there.
  const empty = Identity.fromSeed(
    fromHex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60'),
  );
  expect(hex(empty.sign(new Uint8Array()))).toBe(
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  );
  const one = Identity.fromSeed(fromHex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb'));
  expect(hex(one.sign(utf8('r')))).toBe(
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  );
});

test('a seed is 32 bytes, and shows nowhere', () => {
  expect(() => Identity.fromSeed(new Uint8Array(31))).toThrow(TypeError);
  const bytes = seed(() => 7);
  const identity = Identity.fromSeed(bytes);
  const { primary } = identity;
  bytes.fill(0);
  expect(hex(identity.sign(utf8('x')))).toBe(hex(Identity.fromSeed(seed(() => 7)).sign(utf8('x'))));
  expect(JSON.stringify(identity)).not.toContain('7,7,7');
  expect(Identity.generate().primary).not.toBe(primary);
});

test('a wiped key signs nothing, and keeps its name', () => {
  const identity = Identity.generate();
  const { primary } = identity;
  identity.wipe();
  expect(() => identity.sign(utf8('x'))).toThrow('wiped');
  expect(() => identity.x25519Secret()).toThrow('wiped');
  expect(identity.primary).toBe(primary);
});

test('a primary has one spelling', () => {
  const { primary } = Identity.fromSeed(seed(() => 7));
  for (const bad of [
    '',
    primary.slice(8),
    primary.toUpperCase(),
    `${primary}0`,
    primary.slice(0, -1),
    `${primary}\n`,
  ]) {
    expect(() => publicKeyOf(bad), bad).toThrow(TypeError);
  }
});
