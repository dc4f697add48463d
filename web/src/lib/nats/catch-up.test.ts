import { describe, expect, test } from 'vitest';
import type { Message, Page } from '../wire.ts';
import { CatchUp, type Read } from './catch-up.ts';
import type { Push } from './push.ts';

const message = (seq: number): Message => ({ seq, created_at: '2026-05-25T03:00:00Z', envelope: { seq } });
const push = (seq: number, previous: number): Push => ({ message: message(seq), previous });
const page = (seqs: number[], head: number, more: Partial<Page> = {}): Page => ({
  messages: seqs.map(message),
  epoch: 'e',
  head,
  ...more,
});
const seqs = (messages: readonly Message[]) => messages.map((m) => m.seq);

/** A state that has read its history up to `seq`. */
function settled(seq: number): CatchUp {
  const state = new CatchUp({ seq, epoch: 'e' });
  state.open();
  state.page(state.read(), page([], seq));
  expect([state.behind, state.cursor.seq]).toEqual([false, seq]);
  return state;
}

describe('one step at a time', () => {
  test('a push that follows the cursor is handed over, once', () => {
    const state = settled(5);
    expect(state.push(push(9, 5), true)).toBe(true);
    expect(state.push(push(9, 5), true)).toBe(false);
    expect([state.cursor.seq, state.behind]).toEqual([9, false]);
    // After a purge the message before is none.
    expect(state.push(push(12, 0), true)).toBe(true);
  });

  test('a push that names a missed message is a gap', () => {
    const state = settled(5);
    expect(state.push(push(9, 7), true)).toBe(false);
    expect(state.behind).toBe(true);
    const read = state.read();
    expect(read.since).toBe(5);
    expect(seqs(state.page(read, page([7, 9], 9)).messages)).toEqual([7, 9]);
    expect([state.cursor.seq, state.behind]).toEqual([9, false]);
  });

  test('a gap whose messages were deleted is none', () => {
    const state = settled(5);
    state.push(push(9, 7), true);
    state.page(state.read(), page([], 0));
    expect([state.cursor.seq, state.behind]).toEqual([5, false]);
  });

  test('what is pushed while history is read, and is no successor, is read after it', () => {
    const state = settled(5);
    state.push(push(9, 7), true);
    const read = state.read();
    state.push(push(12, 9), true);
    state.page(read, page([7, 9], 9));
    expect(state.behind).toBe(true);
    expect(seqs(state.page(state.read(), page([12], 12)).messages)).toEqual([12]);
    expect(state.behind).toBe(false);
  });

  test('a replica that lags behind its leader is asked again', () => {
    const state = settled(5);
    state.check();
    state.page(state.read(), page([], 9));
    expect([state.cursor.seq, state.behind]).toEqual([5, true]);
    state.page(state.read(), page([9], 9));
    expect([state.cursor.seq, state.behind]).toEqual([9, false]);
  });

  test('a page of many is followed to its end', () => {
    const state = new CatchUp({ seq: 0 });
    // The server tells the head to whom asks for it.
    const { head, ...first } = page([1, 2], 3, { next: 2 });
    state.page(state.read(), first);
    expect([head, state.behind]).toEqual([3, true]);
    state.page(state.read(), page([3], 3));
    expect([state.cursor, state.behind]).toEqual([{ seq: 3, epoch: 'e' }, false]);
  });

  test('nothing is handed over on a new connection before history was read there', () => {
    const state = settled(5);
    state.open();
    expect([state.settled, state.behind]).toEqual([false, true]);
    expect(state.push(push(9, 5), true)).toBe(false);
    expect(seqs(state.page(state.read(), page([9], 9)).messages)).toEqual([9]);
    expect(state.behind).toBe(false);
  });

  test('an answer to a former connection counts for nothing', () => {
    const state = settled(5);
    state.check();
    const read = state.read();
    state.open();
    expect(state.page(read, page([9], 9)).messages).toEqual([]);
    expect([state.cursor.seq, state.behind, state.settled]).toEqual([5, true, false]);
  });

  test('a read that failed is due again', () => {
    const state = settled(5);
    state.check();
    state.read();
    expect(state.behind).toBe(false);
    state.failed();
    expect(state.behind).toBe(true);
  });

  test('without room a push is left to history', () => {
    const state = settled(5);
    expect(state.push(push(9, 5), false)).toBe(false);
    expect([state.cursor.seq, state.behind]).toEqual([5, true]);
  });

  test('another epoch starts over', () => {
    const state = settled(5);
    state.open();
    const { resync, messages } = state.page(state.read(), page([6], 6, { epoch: 'f' }));
    expect([resync, messages]).toEqual([true, []]);
    expect([state.cursor, state.behind]).toEqual([{ seq: 0, epoch: 'f' }, true]);
    expect(seqs(state.page(state.read(), page([2, 6], 6, { epoch: 'f' })).messages)).toEqual([2, 6]);
  });
});

/** Random numbers that are the same in every run (mulberry32). */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** A stream as nats-server keeps it, with a replica that lags, and a network that loses, doubles and reorders what is pushed. */
class World {
  readonly below: (below: number) => number;
  epoch = 1;
  last = 0;
  stored: number[] = [];
  /** How much of `last` the replica has. */
  replica = 0;
  flying: Push[] = [];
  /** What a reader must have got, and what it may have got: it was deleted at some time. */
  deleted = new Set<number>();
  got: number[] = [];
  read: Read | undefined;
  answer: Page | undefined;

  readonly state = new CatchUp({ seq: 0 });

  constructor(seed: number) {
    this.below = random(seed);
    this.state.open();
  }

  take(messages: readonly Message[]): void {
    for (const { seq } of messages) {
      const last = this.got.at(-1) ?? 0;
      if (seq <= last) throw new Error(`${seq} after ${last}`);
      this.got.push(seq);
    }
  }

  store(): void {
    const previous = this.stored.at(-1) ?? 0;
    // Other inboxes share the stream.
    this.last += 1 + this.below(3);
    this.stored.push(this.last);
    this.flying.push(push(this.last, previous));
  }

  deliver(): void {
    const n = this.below(3) === 0 ? this.below(this.flying.length) : 0;
    const [one] = this.below(4) === 0 ? this.flying.slice(n, n + 1) : this.flying.splice(n, 1);
    if (one && this.state.push(one, this.below(8) !== 0)) this.take([one.message]);
  }

  purge(): void {
    const through = this.stored[this.below(this.stored.length)] ?? 0;
    for (const seq of this.stored) if (seq <= through) this.deleted.add(seq);
    this.stored = this.stored.filter((seq) => seq > through);
  }

  ask(): void {
    this.read = this.state.read();
  }

  /** The server reads; its answer takes its time. */
  serve(): void {
    const { since } = this.read as Read;
    const visible = this.stored.filter((seq) => seq > since && seq <= this.replica);
    const some = visible.slice(0, 1 + this.below(4));
    const next = some.length < visible.length ? { next: some.at(-1) as number } : {};
    this.answer = page(some, this.stored.at(-1) ?? 0, { epoch: `${this.epoch}`, ...next });
  }

  answered(): void {
    const { resync, messages } = this.state.page(this.read as Read, this.answer as Page);
    if (resync) this.got = [];
    this.take(messages);
    this.read = undefined;
    this.answer = undefined;
  }

  fail(): void {
    this.state.failed();
    this.read = undefined;
    this.answer = undefined;
  }

  reconnect(): void {
    this.flying = [];
    this.state.open();
    // An answer that came just before may still be at hand.
    if (this.read && !this.answer) this.fail();
  }

  /** A backup is put back, which takes a restart. */
  restore(): void {
    const kept = this.below(this.stored.length + 1);
    this.stored = this.stored.slice(0, kept);
    this.deleted = new Set([...this.deleted].filter((seq) => seq <= (this.stored.at(-1) ?? 0)));
    this.last = this.stored.at(-1) ?? 0;
    this.replica = this.last;
    this.epoch += 1;
    this.answer = undefined;
    if (this.read) this.fail();
    this.reconnect();
  }

  step(): void {
    this.replica = Math.min(this.last, this.replica + this.below(3));
    const dice = this.below(100);
    if (dice < 30) this.store();
    else if (dice < 60 && this.flying.length > 0) this.deliver();
    else if (dice < 64) this.flying.splice(this.below(this.flying.length + 1), 1);
    else if (dice < 66 && this.stored.length > 0) this.purge();
    else if (dice < 68) this.reconnect();
    else if (dice === 68 && this.below(4) === 0) this.restore();
    else if (dice < 73) this.state.check();
    else if (!this.read) this.state.behind && this.ask();
    else if (dice < 76) this.fail();
    else if (!this.answer) this.serve();
    else this.answered();
  }

  /** The network is quiet, the last push is lost, and the head check comes. */
  settle(): void {
    this.flying = [];
    this.replica = this.last;
    if (this.read) this.fail();
    this.state.check();
    for (let reads = 0; this.state.behind; reads++) {
      if (reads > 1000) throw new Error('it reads for ever');
      this.ask();
      this.serve();
      this.answered();
    }
  }
}

test('no gap, no duplicate, in order: whatever is lost, doubled, reordered, deleted or restored', () => {
  let messages = 0;
  for (let seed = 1; seed <= 3000; seed++) {
    const world = new World(seed);
    for (let step = 0; step < 200; step++) world.step();
    world.settle();
    expect(
      world.got.filter((seq) => !world.deleted.has(seq)),
      `seed ${seed}`,
    ).toEqual(world.stored);
    messages += world.got.length;
  }
  expect(messages).toBeGreaterThan(50_000);
}, 60_000);
