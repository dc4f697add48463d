import { expect, test } from 'vitest';
import { Identity } from '../lib/identity.ts';
import { openBox, sealBox } from './box.ts';
import { closeVault, keysOf, openVault, wipe } from './vault.ts';

const { primary } = Identity.generate();
const bytes = (n: number) => crypto.getRandomValues(new Uint8Array(n));

test('a vault opens with its passphrase alone, and has all that was in it', async () => {
  for (const twelve of [undefined, bytes(16)]) {
    const earlier = twelve ? [] : [bytes(32), bytes(32)];
    const secrets = { seed: bytes(32), historyKey: bytes(32), twelve, earlier };
    const vault = await closeVault(secrets, primary, 'caf\u00e9');
    expect(vault.cost).toEqual({ memoryKiB: 65_536, passes: 3, lanes: 1 });
    // Another keyboard composes the same word in another way.
    expect(await openVault(vault, primary, 'cafe\u0301')).toEqual(secrets);
    await expect(openVault(vault, primary, 'cafe')).rejects.toMatchObject({ code: 'wrong_passphrase' });
    await expect(openVault(vault, 'ed25519:00', 'café')).rejects.toMatchObject({ code: 'wrong_passphrase' });
  }
}, 60_000);

test('wiped keys sign and open nothing, and of the secrets the history’s key is left', async () => {
  const secrets = { seed: bytes(32), historyKey: bytes(32), twelve: bytes(16), earlier: [bytes(32)] };
  const { historyKey } = structuredClone(secrets);
  const keys = await keysOf(secrets);
  wipe(keys);
  for (const key of [keys.identity, ...keys.earlier]) {
    expect(() => key.sign(bytes(1))).toThrow();
    expect(() => key.x25519Secret()).toThrow();
  }
  const none = new Uint8Array(32);
  expect(secrets).toEqual({ seed: none, historyKey, twelve: none.subarray(16), earlier: [none] });
});

test('a box opens as what it was sealed as, and unchanged', () => {
  const key = bytes(32);
  const box = sealBox(key, 'message 1', Uint8Array.of(1, 2, 3));
  expect(openBox(key, 'message 1', box)).toEqual(Uint8Array.of(1, 2, 3));
  expect(() => openBox(key, 'message 2', box)).toThrow();
  expect(() => openBox(bytes(32), 'message 1', box)).toThrow();
  expect(() => openBox(key, 'message 1', box.with(30, (box[30] ?? 0) ^ 1))).toThrow();
});
