// The keys are there from when a window is unlocked until it is locked, whatever crosses.

import { expect, test, vi } from 'vitest';
import { Identity } from '../lib/identity.ts';
import { Lock } from './lock.ts';
import { device } from './test-device.ts';
import type { Secrets } from './vault.ts';

async function locked() {
  const seed = crypto.getRandomValues(new Uint8Array(32));
  const { core } = await device(Identity.fromSeed(seed));
  core.keys = undefined;
  const said: string[] = [];
  const lock = new Lock(core, {
    opening: async () => void said.push('opening'),
    opened: () => said.push('opened'),
    closed: async () => void said.push('closed'),
  });
  const historyKey = new Uint8Array(32);
  const secrets = (): Secrets => ({
    seed: Uint8Array.from(seed),
    historyKey,
    twelve: undefined,
    earlier: [],
  });
  return { core, lock, said, secrets };
}

test('a window is opened by its secrets, tells the others, and is closed', async () => {
  const { core, lock, said, secrets } = await locked();
  const told = vi.spyOn(core.bus, 'tellOthers');
  await lock.unlock(Promise.resolve(secrets()));
  expect(said).toEqual(['opening', 'opened']);
  expect(told).toHaveBeenCalledWith(expect.objectContaining({ type: 'unlocked' }));
  const { keys } = core;
  expect(keys?.identity.primary).toBe(core.account?.primary);
  await lock.close();
  expect([core.keys, said.at(-1)]).toEqual([undefined, 'closed']);
  expect(keys?.secrets.seed.every((byte) => byte === 0)).toBe(true);
});

test('a lock that comes while the passphrase is being stretched counts', async () => {
  const { core, lock, said, secrets } = await locked();
  const late = secrets();
  const unlocking = lock.unlock(new Promise((resolve) => setTimeout(() => resolve(late))));
  await lock.close();
  await unlocking;
  expect([core.keys, said]).toEqual([undefined, ['closed']]);
  expect(late.seed.every((byte) => byte === 0)).toBe(true);
});

test("another window's keys are taken if they are this account's", async () => {
  const { core, lock, secrets } = await locked();
  await lock.take({ ...secrets(), seed: new Uint8Array(32) });
  expect(core.keys).toBeUndefined();
  await lock.take(secrets());
  const { keys } = core;
  expect(keys).toBeDefined();
  await lock.take(secrets());
  expect(core.keys).toBe(keys);
});
