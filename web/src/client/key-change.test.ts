// A peer's key changed: nothing is taken but what the person was shown, and nobody's mark gets lost.

import { afterEach, expect, test, vi } from 'vitest';
import { Identity } from '../lib/identity.ts';
import { Chat } from './chat.svelte.ts';
import { changeRow, deleteConversation, newRow, storeRow } from './conversations.ts';
import { type ConversationRow, fact } from './database.ts';
import { acceptKey, findPeer, moveTo, warnOfKey } from './key-change.ts';
import { peersOf } from './peers.ts';
import { type Device, device, mail, SERVER } from './test-device.ts';

const [old, next, third] = [Identity.generate(), Identity.generate(), Identity.generate()];
const NAME = `bobby@${SERVER}`;

afterEach(() => vi.unstubAllGlobals());

/** A server on which `bobby` has this key, and no identity log proves anything. */
function server({ primary }: Identity): void {
  vi.stubGlobal('fetch', async (url: string) => {
    if (!/\/v1\/(u|by-primary)\//.test(url)) {
      return Response.json({ code: 'unknown_chain', detail: url }, { status: 404 });
    }
    return Response.json({ handle: 'bobby', primary, registered_at: '2026-01-01T00:00:00Z' });
  });
}

/** Somebody who knows `bobby` by his old key. */
async function acquainted(): Promise<Device> {
  const phone = await device();
  await phone.take(await mail(1, old, phone.me, 'hi'));
  await changeRow(phone.core.db, old.primary, (row) => {
    row.handle = 'bobby';
  });
  await peersOf(phone.core).pin('bobby', old.primary);
  return phone;
}

const row = async (phone: Device, peer: Identity) => (await phone.conversation(peer)) as ConversationRow;

test('the key that the notice showed is taken, and no other', async () => {
  const phone = await acquainted();
  await warnOfKey(phone.core, old.primary, next.primary);
  // While the person makes up their mind, the server names yet another one.
  await warnOfKey(phone.core, old.primary, third.primary);
  const accepted = acceptKey(phone.core, old.primary, next.primary);
  await expect(accepted).rejects.toMatchObject({ code: 'key_changed_again' });
  const notice = { to: third.primary, proven: false };
  expect(await row(phone, old)).toMatchObject({ primary: old.primary, keyChange: notice });
  expect(await fact(phone.core.db, 'pins')).toEqual({ [NAME]: old.primary });
  await acceptKey(phone.core, old.primary, third.primary);
  expect((await row(phone, old)).keyChange).toBeUndefined();
  expect((await row(phone, old)).primary).toBe(third.primary);
  expect(await fact(phone.core.db, 'pins')).toEqual({ [NAME]: third.primary });
});

test('a key that was compared is the one that is marked', async () => {
  const phone = await acquainted();
  const chat = new Chat(phone.core, await row(phone, old));
  await moveTo(phone.core, old.primary, next.primary);
  await expect(chat.verify(old.primary)).rejects.toMatchObject({ code: 'key_changed_again' });
  expect((await row(phone, old)).verified).toBe(false);
  await chat.verify(next.primary);
  expect((await row(phone, old)).verified).toBe(true);
  expect(await fact(phone.core.db, 'pins')).toEqual({ [NAME]: next.primary });
  chat.close();
});

test('of a conversation that was deleted the key stays, and a new one is decided about', async () => {
  const phone = await acquainted();
  await deleteConversation(phone.core.db, phone.keys.history, old.primary);
  expect(await phone.conversation(old)).toBeUndefined();
  server(next);
  expect(await findPeer(phone.core, 'bobby')).toMatchObject({ handle: 'bobby', primary: old.primary });
  const notice = { to: next.primary, proven: false };
  expect(await row(phone, old)).toMatchObject({ handle: 'bobby', primary: old.primary, keyChange: notice });
  await acceptKey(phone.core, old.primary, next.primary);
  expect(await findPeer(phone.core, 'bobby')).toMatchObject({ primary: next.primary });
});

test("a key that is typed doesn't take a known handle over", async () => {
  const phone = await acquainted();
  server(next);
  expect(await findPeer(phone.core, next.primary)).toMatchObject({ primary: old.primary });
  const notice = { to: next.primary, proven: false };
  expect(await row(phone, old)).toMatchObject({ primary: old.primary, keyChange: notice });
});

test('who is blocked under either key is blocked when both are one', async () => {
  const phone = await acquainted();
  await phone.take(await mail(2, next, phone.me, 'it is me'));
  await changeRow(phone.core.db, next.primary, (row) => {
    row.blocked = true;
    row.unread = 0;
  });
  await moveTo(phone.core, old.primary, next.primary);
  expect(await row(phone, next)).toMatchObject({ id: old.primary, blocked: true, unread: 0, count: 2 });
});

test('who is verified stays so when the conversation is deleted, and is listed when it begins again', async () => {
  const phone = await acquainted();
  const { db } = phone.core;
  await changeRow(db, old.primary, (row) => {
    row.verified = true;
  });
  await deleteConversation(db, phone.keys.history, old.primary);
  expect(await row(phone, old)).toMatchObject({ verified: true, hidden: true, count: 0 });
  await storeRow(db, newRow(phone.keys.history, old.primary, SERVER));
  expect(await row(phone, old)).toMatchObject({ verified: true, handle: 'bobby' });
  expect((await row(phone, old)).hidden).toBeUndefined();
  await deleteConversation(db, phone.keys.history, old.primary);
  await phone.take(await mail(2, old, phone.me, 'hi again'));
  expect((await row(phone, old)).hidden).toBeUndefined();
});
