// What an earlier version kept is there in a later one.

import 'fake-indexeddb/auto';
import { openDB } from 'idb';
import { expect, test } from 'vitest';
import { fact, openDatabase } from './database.ts';

test('a database of the first version goes on', async () => {
  const account = { handle: 'alice', server: 'chat.test', primary: 'ed25519:00' };
  const first = await openDB('first', 1, {
    upgrade(db) {
      db.createObjectStore('state').put(account, 'account');
      db.createObjectStore('arrived', { keyPath: 'n', autoIncrement: true }).put({ again: false });
    },
  });
  first.close();
  const db = await openDatabase(undefined, 'first');
  expect(await fact(db, 'account')).toEqual(account);
  expect([await db.count('arrived'), await db.countFromIndex('arrived', 'counts')]).toEqual([1, 0]);
});
