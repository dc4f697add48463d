import { expect, test } from 'vitest';
import { hex } from '../lib/bytes.ts';
import { Identity } from '../lib/identity.ts';
import { Seen } from '../lib/sealing/index.ts';
import { timestamp } from '../lib/timestamp.ts';
import { keepFact, whole } from './database.ts';
import { admit, type Judgement, memoryOf } from './seen-store.ts';
import { type Device, device } from './test-device.ts';

const { primary } = Identity.generate();
const message = (n: number, second: number) => ({
  id: hex(new Uint8Array(16).fill(n)),
  primary,
  sent_at: timestamp(new Date(second * 1000)),
});

async function judge({ core }: Device, n: number, second: number): Promise<Judgement> {
  const tx = whole(core.db);
  const judgement = await admit(tx, memoryOf(message(n, second)));
  await tx.done;
  return judgement;
}

test('a message is new once, and the newest time of it counts', async () => {
  const phone = await device();
  expect(await judge(phone, 1, 100)).toBe('new');
  expect(await judge(phone, 1, 100)).toBe('already_seen');
  expect(await judge(phone, 1, 99)).toBe('already_seen');
  expect(await judge(phone, 1, 105)).toBe('again');
  expect(await judge(phone, 1, 104)).toBe('already_seen');
});

test('a full memory forgets the oldest, and refuses what it can no longer judge', async () => {
  const phone = await device();
  await judge(phone, 1, 100);
  await judge(phone, 2, 101);
  await keepFact(phone.core.db, 'seen', { count: Seen.CAPACITY });
  expect(await judge(phone, 3, 102)).toBe('new');
  expect(await judge(phone, 1, 100)).toBe('beyond_memory');
  expect(await judge(phone, 4, 100)).toBe('beyond_memory');
  expect(await judge(phone, 5, 103)).toBe('new');
  expect(await judge(phone, 2, 101)).toBe('beyond_memory');
  expect(await phone.core.db.get('state', 'seen')).toEqual({ count: Seen.CAPACITY, floor: 101 });
});
