// Mail is stored, opened and filed: all of it, in order, and once.

import { expect, test, vi } from 'vitest';
import { Identity } from '../lib/identity.ts';
import { compose, sealCopy } from '../lib/sealing/index.ts';
import { startOver, storeArrived } from './arrivals.ts';
import { Chat } from './chat.svelte.ts';
import { changeRow, deleteConversation, newRow, openPreview, storeRow } from './conversations.ts';
import { type ConversationRow, fact, keepFact } from './database.ts';
import { chunkBody } from './file-messages.ts';
import { CHUNK_BYTES } from './limits.ts';
import { Roster } from './roster.svelte.ts';
import { search } from './search.ts';
import { memoryOf } from './seen-store.ts';
import { device, EPOCH, mail, SERVER, sealedMail } from './test-device.ts';
import { REFUSED } from './types.ts';
import { writeText } from './writing.ts';

const alice = Identity.generate();
const bob = Identity.generate();

test('what comes is stored with its place, in order and once', async () => {
  const { core, me } = await device();
  const messages = await Promise.all([3, 5, 9].map((seq) => mail(seq, alice, me, `${seq}`)));
  expect(await storeArrived(core.db, EPOCH, messages.slice(0, 2))).toMatchObject({ messages: 2 });
  expect(await storeArrived(core.db, EPOCH, messages)).toMatchObject({ messages: 1 });
  expect(await fact(core.db, 'place')).toEqual({ seq: 9, epoch: EPOCH });
  const rows = await core.db.getAll('arrived');
  expect(rows.map(({ message }) => message.seq)).toEqual([3, 5, 9]);
  // Of another store, and nobody said so yet.
  const foreign = await storeArrived(core.db, 'e2', [await mail(10, alice, me, 'no')]);
  expect(foreign).toEqual({ messages: 0, counted: 0 });
});

test('a conversation has its messages, counted, and nothing waits', async () => {
  const phone = await device();
  const filed = await phone.take(
    ...(await Promise.all(['one', 'two'].map((text, n) => mail(n + 1, alice, phone.me, text)))),
  );
  expect(filed.map(({ order, news, stranger }) => [order, news, stranger])).toEqual([
    [0, true, alice.primary],
    [1, true, undefined],
  ]);
  const row = await phone.conversation(alice);
  expect(row).toMatchObject({ id: alice.primary, unread: 2, count: 2, next: 2, server: SERVER });
  const items = await phone.items(alice.primary);
  expect(items.map(({ text, state, mine }) => [text, state, mine])).toEqual([
    ['one', 'received', false],
    ['two', 'received', false],
  ]);
  expect(await phone.core.db.count('arrived')).toBe(0);
});

test('two windows that open the same mail file it once', async () => {
  const phone = await device();
  const messages = await Promise.all([1, 2, 3].map((seq) => mail(seq, alice, phone.me, `${seq}`)));
  await storeArrived(phone.core.db, EPOCH, messages);
  const [one, other] = await Promise.all([phone.open(), phone.open()]);
  expect(one.length + other.length).toBe(3);
  expect((await phone.items(alice.primary)).map(({ text }) => text)).toEqual(['1', '2', '3']);
});

test('what fails a check is shown with the name of the check', async () => {
  const phone = await device();
  const carol = Identity.generate();
  const message = compose(alice, phone.me.primary, 'hi');
  const late = { ...message, id: 'ab'.repeat(16), sent_at: '2020-01-01T00:00:00Z' };
  const first = await sealedMail(1, alice, message);
  await phone.take(
    first,
    { ...first, seq: 2 },
    { ...(await sealedMail(3, alice, late)), created_at: message.sent_at },
    { seq: 4, created_at: message.sent_at, envelope: { v: 2, enc: 'YQ', ct: 'x' } },
    await mail(5, alice, carol, 'for carol'),
    { seq: 6, created_at: message.sent_at, envelope: { v: 3 } },
  );
  const known = await phone.items(alice.primary);
  expect(known.map(({ state, error }) => [state, error])).toEqual([
    ['received', undefined],
    ['refused', 'already_seen'],
  ]);
  const refused = await phone.items(REFUSED);
  expect(refused.map(({ error }) => error)).toEqual([
    'stale_timestamp',
    'malformed_envelope',
    'not_opened',
    'unknown_version',
  ]);
});

test("a replay is shown where it came, and is nobody's news", async () => {
  const phone = await device();
  const [one, two] = [await mail(1, alice, phone.me, 'one'), await mail(2, alice, phone.me, 'two')];
  await phone.take(one, two);
  const before = await phone.conversation(alice);
  const [filed] = await phone.take({ ...one, seq: 3 });
  expect(filed).toMatchObject({ news: false, order: 2 });
  const after = await phone.conversation(alice);
  expect(after).toEqual({ ...before, count: 3, next: 3 });
  const found: (string | undefined)[] = [];
  for await (const { error } of search(phone.core, 'one', new AbortController().signal)) found.push(error);
  expect(found.sort()).toEqual(['already_seen', undefined]);
  // The memory forgot it, and its message is here.
  await keepFact(phone.core.db, 'seen', { count: 2, floor: Date.parse(two.created_at) / 1000 });
  await phone.core.db.clear('seen');
  await phone.take({ ...two, seq: 4 });
  expect((await phone.items(alice.primary)).at(-1)?.error).toBe('already_seen');
  expect(await phone.conversation(alice)).toEqual({ ...before, count: 4, next: 4 });
  // What is discarded leaves the last one that was news.
  const chat = new Chat(phone.core, after as ConversationRow);
  const items = await phone.items(alice.primary);
  await chat.discard(items[1]?.id ?? '');
  const { box } = (await phone.conversation(alice)) as ConversationRow;
  expect(openPreview(phone.keys.history, { ...(after as ConversationRow), box }).text).toBe('one');
  chat.close();
});

test('what was sealed anew, or is served again after a restore, is passed over', async () => {
  const phone = await device();
  const message = compose(alice, phone.me.primary, 'hi');
  const first = await sealedMail(1, alice, message);
  const later = new Date(Date.parse(message.sent_at) + 1000).toISOString().replace('.000Z', 'Z');
  await phone.take(first, await sealedMail(2, alice, { ...message, sent_at: later }));
  await startOver(phone.core.db, 'e2');
  expect(await fact(phone.core.db, 'place')).toMatchObject({ seq: 0, epoch: 'e2' });
  await storeArrived(phone.core.db, 'e2', [first]);
  await phone.open();
  expect(await phone.items(alice.primary)).toHaveLength(1);
});

test('what the memory forgot is still known by its message', async () => {
  const phone = await device();
  const first = await mail(1, alice, phone.me, 'one');
  await phone.take(first);
  await phone.core.db.clear('seen');
  await phone.take({ ...first, seq: 2 }, await mail(3, alice, phone.me, 'two'));
  expect((await phone.items(alice.primary)).map(({ text }) => text)).toEqual(['one', 'two']);
  expect(await phone.core.db.count('arrived')).toBe(0);
});

test("what can't be filed is shown as refused, and holds nothing up", async () => {
  const phone = await device();
  await phone.take(await mail(1, alice, phone.me, 'one'));
  // Nothing can be added to this conversation.
  await changeRow(phone.core.db, alice.primary, (row) => {
    row.box = new Uint8Array(40);
  });
  const undated = { ...(await mail(3, bob, phone.me, 'when?')), created_at: 'yesterday' };
  await phone.take(await mail(2, alice, phone.me, 'two'), undated, await mail(4, bob, phone.me, 'hi'));
  expect((await phone.items(bob.primary)).map(({ text }) => text)).toEqual(['hi']);
  const refused = await phone.items(REFUSED);
  expect(refused.map(({ state, error }) => [state, error])).toEqual([
    ['refused', 'unexpected'],
    ['refused', 'unexpected'],
  ]);
  expect(await phone.core.db.count('arrived')).toBe(0);
});

test('what the device has no room for waits', async () => {
  const phone = await device();
  await storeArrived(phone.core.db, EPOCH, [await mail(1, alice, phone.me, 'hi')]);
  const add = vi.spyOn(IDBObjectStore.prototype, 'add').mockImplementation(() => {
    throw new DOMException('full', 'QuotaExceededError');
  });
  await expect(phone.open()).rejects.toMatchObject({ name: 'QuotaExceededError' });
  add.mockRestore();
  await phone.open();
  expect((await phone.items(alice.primary)).map(({ text }) => text)).toEqual(['hi']);
});

test("one's own copy is in the conversation with whom it was written to", async () => {
  const laptop = await device();
  const message = compose(laptop.me, alice.primary, 'from the phone');
  const envelope = (await sealCopy(laptop.me, message)) as unknown as Record<string, unknown>;
  const filed = await laptop.take({ seq: 1, created_at: message.sent_at, envelope });
  expect(filed[0]).toMatchObject({ conversation: alice.primary, news: false });
  const [item] = await laptop.items(alice.primary);
  expect(item).toMatchObject({ text: 'from the phone', mine: true, state: 'stored' });
  expect((await laptop.conversation(alice))?.unread).toBe(0);
});

test("one's own copy that was sent from here needn't be opened, and is remembered all the same", async () => {
  const phone = await device();
  const { core, me } = phone;
  const message = compose(me, alice.primary, 'hi');
  const copy = await sealCopy(me, message);
  const arrived = { created_at: message.sent_at, envelope: copy as unknown as Record<string, unknown> };
  core.ownCopies.set(copy.enc, memoryOf(message));
  expect(await phone.take({ seq: 1, ...arrived })).toEqual([]);
  expect([core.ownCopies.size, await core.db.count('arrived')]).toEqual([0, 0]);
  // The very same a second time: a replay, whether its message is still here or not.
  const [filed] = await phone.take({ seq: 2, ...arrived });
  expect(filed).toMatchObject({ conversation: alice.primary, news: false });
  const items = await phone.items(alice.primary);
  expect(items.map(({ state, error }) => [state, error])).toEqual([['refused', 'already_seen']]);
});

test('while locked only what looks like a message of others counts, and then what is one', async () => {
  const phone = await device();
  const { core, me } = phone;
  const copied = compose(me, alice.primary, 'from here');
  const copy = await sealCopy(me, copied);
  core.ownCopies.set(copy.enc, memoryOf(copied));
  const chunk = { file: '00'.repeat(16), n: 0, data: new Uint8Array(CHUNK_BYTES) };
  const elsewhere = compose(me, alice.primary, 'from elsewhere');
  const mails = [
    await mail(1, alice, me, 'hi'),
    await mail(2, alice, me, chunkBody(chunk)),
    { seq: 3, created_at: copied.sent_at, envelope: copy as unknown as Record<string, unknown> },
    // Nobody can tell while it is sealed.
    await sealedMail(4, me, { ...elsewhere, to: me.primary }),
    await mail(5, bob, me, 'from one who is blocked'),
  ];
  await storeRow(core.db, { ...newRow(phone.keys.history, bob.primary, SERVER), blocked: true });
  core.keys = undefined;
  expect(await storeArrived(core.db, EPOCH, mails, core.ownCopies)).toEqual({ messages: 5, counted: 3 });
  const roster = new Roster(core);
  await roster.refresh();
  expect(roster.unread).toBe(3);
  core.keys = phone.keys;
  await phone.open();
  await roster.refresh();
  expect(roster.unread).toBe(1);
  // All of it again, after a restore.
  await startOver(core.db, 'e2');
  core.keys = undefined;
  expect(await storeArrived(core.db, 'e2', mails)).toEqual({ messages: 5, counted: 0 });
  await roster.refresh();
  expect(roster.unread).toBe(1);
});

test('who is blocked is neither counted nor told', async () => {
  const phone = await device();
  await phone.take(await mail(1, alice, phone.me, 'one'));
  await changeRow(phone.core.db, alice.primary, (row) => {
    row.blocked = true;
    row.unread = 0;
  });
  const [filed] = await phone.take(await mail(2, alice, phone.me, 'two'));
  expect(filed?.news).toBe(false);
  expect(await phone.conversation(alice)).toMatchObject({ unread: 0, count: 2 });
});

test('who is blocked stays so when the conversation is deleted', async () => {
  const phone = await device();
  const roster = new Roster(phone.core);
  const listed = async () => {
    await roster.refresh();
    return roster.conversations.map(({ id, lastText }) => [id, lastText]);
  };
  await phone.take(await mail(1, alice, phone.me, 'one'));
  await changeRow(phone.core.db, alice.primary, (row) => {
    row.blocked = true;
    row.verified = true;
  });
  expect(await listed()).toEqual([[alice.primary, 'one']]);
  await deleteConversation(phone.core.db, phone.keys.history, alice.primary);
  expect([await listed(), await phone.items(alice.primary)]).toEqual([[], []]);
  const [filed] = await phone.take(await mail(2, alice, phone.me, 'two'));
  expect([filed?.news, await listed()]).toEqual([false, []]);
  expect(await phone.conversation(alice)).toMatchObject({ blocked: true, verified: true, unread: 0 });
  await writeText(phone.core, alice.primary, 'three');
  expect((await listed()).map(([id]) => id)).toEqual([alice.primary]);
});

test('a body of a later version is kept as one', async () => {
  const phone = await device();
  await phone.take(await mail(1, alice, phone.me, { other: { poll: ['yes', 'no'] } }));
  expect((await phone.items(alice.primary))[0]).toMatchObject({ unknown: true, state: 'received' });
});
