// An open conversation: a range of its messages that follows what changes.

import { expect, test, vi } from 'vitest';
import { Identity } from '../lib/identity.ts';
import { Chat } from './chat.svelte.ts';
import type { ConversationRow } from './database.ts';
import { acceptKey, moveTo, warnOfKey } from './key-change.ts';
import { search } from './search.ts';
import { type Device, device, mail } from './test-device.ts';
import { writeText } from './writing.ts';

const alice = Identity.generate();
const bob = Identity.generate();

async function open(phone: Device, peer: Identity): Promise<Chat> {
  const chat = new Chat(phone.core, (await phone.conversation(peer)) as ConversationRow);
  await chat.load();
  return chat;
}

/** So many texts of one's own. */
async function write(phone: Device, peer: Identity, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) await writeText(phone.core, peer.primary, `text ${n}`);
}

/** Sooner or later. */
const soon = (check: () => void) => vi.waitFor(check, 20_000);
const orders = (chat: Chat) => chat.window.map(({ order }) => order);
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n);

test('the range grows at both ends, jumps, and follows the newest', async () => {
  const phone = await device();
  await write(phone, alice, 0, 150);
  const chat = await open(phone, alice);
  expect([orders(chat), chat.hasBefore, chat.hasAfter, chat.count]).toEqual([
    range(90, 150),
    true,
    false,
    150,
  ]);
  await chat.loadBefore();
  await chat.loadBefore();
  expect([orders(chat), chat.hasBefore]).toEqual([range(0, 150), false]);
  expect(await chat.loadBefore()).toBe(false);
  await chat.jumpTo(70);
  expect([orders(chat), chat.hasBefore, chat.hasAfter]).toEqual([range(10, 130), true, true]);
  await write(phone, alice, 150, 151);
  await soon(() => expect(chat.count).toBe(151));
  expect(orders(chat)).toEqual(range(10, 130));
  await chat.loadAfter();
  expect([orders(chat), chat.hasAfter]).toEqual([range(10, 151), false]);
  await write(phone, alice, 151, 152);
  await soon(() => expect(orders(chat)).toEqual(range(10, 152)));
  chat.close();
});

test('a message that is discarded leaves a hole, and the line of the list shows the one before', async () => {
  const phone = await device();
  await write(phone, alice, 0, 3);
  const chat = await open(phone, alice);
  await chat.discard(chat.window[2]?.id ?? '');
  await chat.discard(chat.window[0]?.id ?? '');
  await soon(() => expect(orders(chat)).toEqual([1]));
  expect([chat.peer.lastText, chat.count]).toEqual(['text 1', 1]);
  expect(await phone.core.db.count('outbox')).toBe(1);
  await write(phone, alice, 3, 4);
  await soon(() => expect(orders(chat)).toEqual([1, 3]));
  chat.close();
});

test('drafts are kept, and go with the message', async () => {
  const phone = await device();
  await write(phone, alice, 0, 1);
  const chat = await open(phone, alice);
  chat.saveDraft('half a tho');
  await soon(() => expect(chat.peer.draft).toBe('half a tho'));
  await chat.send('half a thought');
  await soon(() => expect([chat.peer.draft, chat.peer.lastText]).toEqual(['', 'half a thought']));
  chat.close();
});

test('a proven key is the conversation’s at once, with what came from it', async () => {
  const phone = await device();
  await phone.take(
    await mail(1, alice, phone.me, 'from the old key'),
    await mail(2, bob, phone.me, 'from the new key'),
  );
  await writeText(phone.core, bob.primary, 'an answer');
  const chat = await open(phone, alice);
  await chat.verify(alice.primary);
  await moveTo(phone.core, alice.primary, bob.primary);
  await soon(() =>
    expect(chat.window.map(({ text }) => text)).toEqual([
      'from the old key',
      'from the new key',
      'an answer',
    ]),
  );
  const notice = { to: bob.primary, proven: true };
  expect(chat.peer).toMatchObject({ primary: bob.primary, keyChange: notice, verified: false, unread: 2 });
  expect(await phone.core.db.count('conversations')).toBe(1);
  expect((await phone.core.db.getAll('outbox'))[0]).toMatchObject({ conversation: alice.primary, order: 2 });
  // Both keys lead to it now.
  await phone.take(await mail(3, alice, phone.me, 'late'), await mail(4, bob, phone.me, 'later'));
  await soon(() => expect(chat.count).toBe(5));
  await chat.acceptKeyChange(bob.primary);
  await soon(() => expect(chat.peer.keyChange).toBeUndefined());
  chat.close();
});

test('an unproven key changes nothing until the person takes it', async () => {
  const phone = await device();
  await phone.take(await mail(1, alice, phone.me, 'hi'));
  const chat = await open(phone, alice);
  await warnOfKey(phone.core, alice.primary, bob.primary);
  await soon(() => expect(chat.peer.keyChange).toEqual({ to: bob.primary, proven: false }));
  expect(chat.peer.primary).toBe(alice.primary);
  await acceptKey(phone.core, alice.primary, bob.primary);
  await soon(() => expect(chat.peer).toMatchObject({ primary: bob.primary, keyChange: undefined }));
  chat.close();
});

test('search finds every word, in all conversations, the newest first', async () => {
  const phone = await device();
  await write(phone, alice, 0, 250);
  // Within one millisecond none is newer.
  await new Promise((resolve) => setTimeout(resolve, 5));
  await writeText(phone.core, bob.primary, 'Ein TEXT über Bäume');
  const found = async (text: string, most = 1000) => {
    const stop = new AbortController();
    const texts: string[] = [];
    for await (const hit of search(phone.core, text, stop.signal)) {
      texts.push(hit.text);
      if (texts.length === most) stop.abort();
    }
    return texts;
  };
  expect(await found('uber text')).toEqual(['Ein TEXT über Bäume']);
  expect(await found('text')).toHaveLength(251);
  expect(await found('text 2', 3)).toHaveLength(3);
  expect((await found('text'))[0]).toBe('Ein TEXT über Bäume');
  expect(await found(' ')).toEqual([]);
});
