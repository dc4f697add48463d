// How an account is kept: beside nothing of another one's.

import { expect, test, vi } from 'vitest';
import { keepAccount, type Settled } from './accounts.ts';
import { storeArrived } from './arrivals.ts';
import { DEFAULTS } from './core.ts';
import { type Account, fact, keepFact, STORES } from './database.ts';
import { device, EPOCH, mail } from './test-device.ts';

test('a new account begins with nothing of the one before, and a successor goes on', async () => {
  vi.stubGlobal('navigator', {});
  const { core, keys, me, take } = await device();
  const { db } = core;
  await take(await mail(1, me, me, 'hi'));
  await storeArrived(db, EPOCH, [await mail(7, me, me, 'still stored')]);
  await keepFact(db, 'settings', { ...DEFAULTS, lockAfter: 5 });
  const cost = { memoryKiB: 8, passes: 1, lanes: 1 };
  const settled: Settled = {
    account: core.account as Account,
    vault: { salt: new Uint8Array(16), cost, box: new Uint8Array() },
    secrets: keys.secrets,
    succeeds: true,
  };
  await keepAccount(core, settled);
  expect(await fact(db, 'place')).toMatchObject({ seq: 7 });
  expect([await db.count('messages'), await db.count('arrived')]).toEqual([1, 1]);
  await keepAccount(core, { ...settled, succeeds: false });
  expect((await db.getAllKeys('state')).sort()).toEqual(['account', 'settings', 'vault']);
  const [, ...others] = STORES;
  expect(await Promise.all(others.map((store) => db.count(store)))).toEqual(others.map(() => 0));
});
