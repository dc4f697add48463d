// What was written is sent: in order, the same again for want of an answer, and from where it was interrupted.

import { afterEach, expect, test, vi } from 'vitest';
import { KezError } from '../lib/error.ts';
import { Identity } from '../lib/identity.ts';
import { KeyChanged } from '../lib/sealing/index.ts';
import type { Message, Sent } from '../lib/wire.ts';
import { Chat } from './chat.svelte.ts';
import type { ConversationRow } from './database.ts';
import { moveTo } from './key-change.ts';
import { CHUNK_BYTES } from './limits.ts';
import { Outbox, type Post } from './outbox.ts';
import { type Device, device, mail } from './test-device.ts';
import { writeFile, writeText } from './writing.ts';

const bob = Identity.generate();
const TIME = '2026-01-01T00:00:00Z';

afterEach(() => vi.useRealTimers());

/** Inboxes, by handle, and how the next deliveries fail. */
class Inboxes {
  readonly stored: { to: string; envelope: object }[] = [];
  readonly failures: unknown[] = [];

  async deliver(to: string, envelope: object): Promise<Sent> {
    const failure = this.failures.shift();
    if (failure) throw failure;
    this.stored.push({ to, envelope });
    return { seq: this.stored.length, created_at: TIME };
  }

  to(handle: string): Message[] {
    return this.stored
      .filter(({ to }) => to === handle)
      .map(({ envelope }, n) => ({
        seq: n + 1,
        created_at: new Date().toISOString().replace(/\.\d+/, ''),
        envelope: envelope as Message['envelope'],
      }));
  }
}

function outbox(sender: Device, inboxes: Inboxes, refused?: KeyChanged): Outbox {
  return new Outbox(sender.core.db, post(sender, inboxes, refused));
}

function post(sender: Device, inboxes: Inboxes, refused?: KeyChanged): Post {
  return {
    keys: () => sender.core.keys,
    handle: 'me',
    deliver: (to, envelope) => inboxes.deliver(to, envelope),
    addressOf: async ({ primary }) => {
      if (refused) throw refused;
      return { handle: 'bobby', primary };
    },
    copied: () => {},
    changed: () => {},
    keyChanged: async () => {},
  };
}

/** Runs until nothing waits that could be sent. */
async function run(sender: Device, box: Outbox): Promise<void> {
  const running = box.run();
  await vi.waitFor(async () => {
    const rows = await sender.core.db.getAll('outbox');
    expect(rows.filter(({ failed }) => !failed)).toEqual([]);
  }, 20_000);
  box.close();
  await running;
}

const states = async (sender: Device) =>
  (await sender.items(bob.primary)).map(({ state, error }) => error ?? state);

test('texts go in order, each with a copy', async () => {
  const [alice, reader, other] = await Promise.all([device(), device(bob), device()]);
  const inboxes = new Inboxes();
  for (const text of ['one', 'two']) await writeText(alice.core, bob.primary, text);
  expect(await states(alice)).toEqual(['sending', 'sending']);
  await run(alice, outbox(alice, inboxes));
  expect(inboxes.stored.map(({ to }) => to)).toEqual(['bobby', 'me', 'bobby', 'me']);
  expect(await states(alice)).toEqual(['stored', 'stored']);
  await reader.take(...inboxes.to('bobby'));
  expect((await reader.items(alice.me.primary)).map(({ text }) => text)).toEqual(['one', 'two']);
  // The sender's copies are what is there already.
  await alice.take(...inboxes.to('me'));
  expect(await alice.items(bob.primary)).toHaveLength(2);
  expect(other.me.primary).not.toBe(alice.me.primary);
});

test('for want of an answer the same envelope goes again; when it is too old, the same message in another', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  const [alice, reader] = await Promise.all([device(), device(bob)]);
  const inboxes = new Inboxes();
  await writeText(alice.core, bob.primary, 'hi');
  const sent: object[] = [];
  const box = outbox(alice, inboxes);
  const deliver = inboxes.deliver.bind(inboxes);
  inboxes.deliver = async (to, envelope) => {
    sent.push(envelope);
    const stored = await deliver(to, envelope);
    setTimeout(() => box.wake());
    // It was stored, and nobody learns so.
    if (sent.length === 3) vi.setSystemTime(Date.now() + 9 * 60_000);
    if (sent.length <= 3) throw KezError.local('timeout', 'no answer');
    return stored;
  };
  await run(alice, box);
  const [first, second, third, fourth] = sent;
  expect([second, third]).toEqual([first, first]);
  expect(fourth).not.toEqual(first);
  vi.useRealTimers();
  const mail = inboxes.to('bobby');
  expect(mail).toHaveLength(4);
  const [a, , , d] = mail as [Message, Message, Message, Message];
  await reader.take(a, {
    ...d,
    seq: 2,
    created_at: new Date(Date.now() + 9 * 60_000).toISOString().replace(/\.\d+/, ''),
  });
  expect(await reader.items(alice.me.primary)).toHaveLength(1);
}, 30_000);

test('what the server refuses waits for the person, and holds nothing up', async () => {
  const alice = await device();
  const inboxes = new Inboxes();
  inboxes.failures.push(KezError.of('inbox_full', 'full'));
  for (const text of ['one', 'two']) await writeText(alice.core, bob.primary, text);
  await run(alice, outbox(alice, inboxes));
  expect(await states(alice)).toEqual(['inbox_full', 'stored']);
  expect(await alice.core.db.count('outbox')).toBe(1);
});

test('what the server fails at again and again holds up its own conversation alone', async () => {
  const [alice, carol] = [await device(), Identity.generate()];
  const inboxes = new Inboxes();
  await writeText(alice.core, bob.primary, 'one');
  await writeText(alice.core, bob.primary, 'two');
  await writeText(alice.core, carol.primary, 'hi, carol');
  const deliver = inboxes.deliver.bind(inboxes);
  let tries = 0;
  inboxes.deliver = (to, envelope) => {
    if (to !== bob.primary || inboxes.stored.length >= 2) return deliver(to, envelope);
    tries += 1;
    return Promise.reject(KezError.of('internal', 'no'));
  };
  const box = new Outbox(alice.core.db, {
    ...post(alice, inboxes),
    addressOf: async ({ primary }) => ({ handle: primary, primary }),
  });
  const running = box.run();
  await vi.waitFor(() => expect(inboxes.stored).toHaveLength(2), 20_000);
  expect(inboxes.stored.map(({ to }) => to)).toEqual([carol.primary, 'me']);
  expect(tries).toBe(1);
  // It asked for five seconds: what else works now doesn't shorten them.
  box.wake();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(await states(alice)).toEqual(['sending', 'sending']);
  const [first] = await alice.items(bob.primary);
  const chat = new Chat(alice.core, (await alice.conversation(bob)) as ConversationRow);
  await chat.discard(first?.id ?? '');
  chat.close();
  box.ring();
  await vi.waitFor(() => expect(inboxes.stored).toHaveLength(4), 20_000);
  box.close();
  await running;
  expect((await alice.items(bob.primary)).map(({ text, state }) => [text, state])).toEqual([
    ['two', 'stored'],
  ]);
});

test('what the server never takes has failed, by its code', async () => {
  const alice = await device();
  const inboxes = new Inboxes();
  const page = new Response('<html>', { status: 403 });
  const failures = [await KezError.fromResponse(page), KezError.of('not_owner', 'no')];
  inboxes.failures.push(...failures);
  for (const text of ['one', 'two', 'three']) await writeText(alice.core, bob.primary, text);
  await run(alice, outbox(alice, inboxes));
  expect(await states(alice)).toEqual(['internal', 'not_owner', 'stored']);
});

test('nothing goes to a key that changed', async () => {
  const alice = await device();
  const inboxes = new Inboxes();
  await writeText(alice.core, bob.primary, 'secret');
  await run(alice, outbox(alice, inboxes, new KeyChanged('bobby@chat.test', bob.primary, 'ed25519:00')));
  expect([await states(alice), inboxes.stored]).toEqual([['key_changed'], []]);
});

test('what the server refuses because the session ended goes with the next one', async () => {
  const alice = await device();
  const inboxes = new Inboxes();
  inboxes.failures.push(KezError.of('session_ended', 'over'));
  await writeText(alice.core, bob.primary, 'hi');
  const box = outbox(alice, inboxes);
  const running = run(alice, box);
  await vi.waitFor(() => expect(inboxes.failures).toEqual([]), 20_000);
  box.wake();
  await running;
  expect(await states(alice)).toEqual(['stored']);
});

test('a message whose conversation joins another on its way is sent from there', async () => {
  const [alice, carol] = [await device(), Identity.generate()];
  const inboxes = new Inboxes();
  await alice.take(await mail(1, carol, alice.me, 'my next key is bob’s'));
  for (const text of ['one', 'two']) await writeText(alice.core, bob.primary, text);
  const deliver = inboxes.deliver.bind(inboxes);
  inboxes.deliver = async (to, envelope) => {
    if (inboxes.stored.length === 0) await moveTo(alice.core, carol.primary, bob.primary);
    return deliver(to, envelope);
  };
  await run(alice, outbox(alice, inboxes));
  expect(inboxes.stored.map(({ to }) => to)).toEqual(['bobby', 'me', 'bobby', 'me']);
  const items = await alice.items(carol.primary);
  expect(items.map(({ state }) => state)).toEqual(['received', 'stored', 'stored']);
});

test('a key that changed while it was locked is followed when it is unlocked', async () => {
  const [alice, carol] = [await device(), Identity.generate()];
  const inboxes = new Inboxes();
  // A conversation under the next key, which only an unlocked device can join.
  await alice.take(await mail(1, carol, alice.me, 'my old key is bob’s'));
  await writeText(alice.core, bob.primary, 'hi');
  const { keys } = alice.core;
  let moved = 0;
  inboxes.failures.push(KezError.local('timeout', 'no answer'));
  const box = new Outbox(alice.core.db, {
    ...post(alice, inboxes),
    addressOf: async ({ id, primary }) => {
      if (inboxes.failures.length > 0) return { handle: 'bobby', primary };
      moved += 1;
      await moveTo(alice.core, id, carol.primary);
      return { handle: 'bobby', primary: carol.primary };
    },
  });
  const running = box.run();
  await vi.waitFor(() => expect(inboxes.failures).toEqual([]), 20_000);
  alice.core.keys = undefined;
  box.wake();
  await vi.waitFor(() => expect(moved).toBe(1), 20_000);
  await new Promise((resolve) => setTimeout(resolve, 50));
  alice.core.keys = keys;
  expect((await alice.items(bob.primary)).map(({ state }) => state)).toEqual(['sending']);
  box.wake();
  await vi.waitFor(() => expect(inboxes.stored).toHaveLength(2), 20_000);
  box.close();
  await running;
});

test('locked, what is sealed goes on, and nothing else', async () => {
  const alice = await device();
  const inboxes = new Inboxes();
  await writeText(alice.core, bob.primary, 'one');
  const { keys } = alice.core;
  alice.core.keys = undefined;
  const box = outbox(alice, inboxes);
  const running = box.run();
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(inboxes.stored).toEqual([]);
  alice.core.keys = keys;
  box.ring();
  await vi.waitFor(() => expect(inboxes.stored).toHaveLength(2), 20_000);
  box.close();
  await running;
});

test('a file comes whole, whatever is interrupted, and texts overtake its chunks', async () => {
  const [alice, reader] = await Promise.all([device(), device(bob)]);
  const inboxes = new Inboxes();
  const bytes = new Uint8Array(2 * CHUNK_BYTES + 1000).map((_, n) => n * 7);
  await writeFile(alice.core, bob.primary, new File([bytes], 'a.png', { type: 'image/png' }));
  await writeText(alice.core, bob.primary, 'see above');
  // The page goes away in the middle of the first chunk: it was stored, and its copy wasn't.
  const first = outbox(alice, inboxes);
  const deliver = inboxes.deliver.bind(inboxes);
  inboxes.deliver = (to, envelope) => {
    if (inboxes.stored.length === 5) first.close();
    if (inboxes.stored.length >= 5) return Promise.reject(KezError.local('disconnected', 'gone'));
    return deliver(to, envelope);
  };
  await first.run();
  expect(inboxes.stored).toHaveLength(5);
  inboxes.deliver = deliver;
  expect((await alice.items(bob.primary)).map(({ state }) => state)).toEqual(['sending', 'stored']);
  await run(alice, outbox(alice, inboxes));
  await reader.take(...inboxes.to('bobby'));
  const [file, text] = await reader.items(alice.me.primary);
  expect(file?.file).toEqual({ name: 'a.png', type: 'image/png', size: bytes.length, done: bytes.length });
  expect(text?.text).toBe('see above');
  const done = (await alice.items(bob.primary)).map(({ state, file }) => [state, file?.done]);
  expect(done).toEqual([
    ['stored', bytes.length],
    ['stored', undefined],
  ]);
}, 30_000);
