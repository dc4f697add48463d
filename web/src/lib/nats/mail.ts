// A feed of one inbox: everything behind a cursor and everything that comes, once and in order, whatever happens to the connection.

import type { NatsConnection, Subscription } from '@nats-io/nats-core';
import { KezError } from '../error.ts';
import type { Message } from '../wire.ts';
import { backoff } from './backoff.ts';
import { CatchUp, type Cursor } from './catch-up.ts';
import type { NatsClient } from './client.ts';
import { readPush } from './push.ts';
import { Signal } from './signal.ts';

/** The second check for a lost last message: interest in a new subscription takes a moment to reach every node of a cluster. In milliseconds. */
const SETTLED = 1_000;
/** Between checks from then on, ± a quarter. */
const PERIOD = 60_000;
/** Before history is read again that couldn't be read, or that lags: at first, and at most. */
const FIRST_PAUSE = 200;
const LAST_PAUSE = 5_000;
/** Messages that wait for a slow reader. What comes beyond is read from history later. */
const WAITING = 256;

/** What a feed says. */
export type MailEvent =
  /** Mail comes, from behind this cursor. */
  | { readonly type: 'connected'; readonly cursor: Cursor }
  /** One message. Keep its `seq` with the epoch as the cursor, once it is dealt with. */
  | { readonly type: 'message'; readonly message: Message; readonly epoch: string }
  /** The server's mail was restored from a backup: all of it comes again, from the start. */
  | { readonly type: 'resync'; readonly epoch: string }
  /** No mail comes until the next `connected`. */
  | { readonly type: 'disconnected'; readonly error: KezError };

/** The feed. Iterate over it once; it ends when it or its client is closed, and throws a `KezError` if the server refuses this inbox. */
export class Mail implements AsyncIterable<MailEvent> {
  readonly #client: NatsClient;
  readonly #inbox: string;
  readonly #state: CatchUp;
  readonly #wake = new Signal();
  #waiting: MailEvent[] = [];
  #connection: NatsConnection | undefined;
  #subscription: Subscription | undefined;
  #refused: KezError | undefined;
  #told = false;
  #closed = false;
  #dropped = 0;
  #checks = 0;
  #checkAt = Number.POSITIVE_INFINITY;
  #failures = 0;
  #readAt = 0;

  /** Of a client's own inbox, from behind this cursor. */
  constructor(client: NatsClient, inbox: string, cursor: Cursor) {
    this.#client = client;
    this.#inbox = inbox;
    this.#state = new CatchUp(cursor);
  }

  /** How many messages came to the inbox's subject that weren't mail. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Ends the feed. */
  close(): void {
    this.#closed = true;
    this.#wake.ring();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<MailEvent, void, undefined> {
    const unwatch = this.#client.watch(() => this.#wake.ring());
    try {
      while (!this.#closed) {
        if (this.#refused) throw this.#refused;
        const event = this.#waiting.shift();
        if (event) yield event;
        else if (this.#client.closed) return;
        else if (this.#client.connection !== this.#connection) await this.#follow();
        else if (this.#mayRead()) await this.#read();
        else await this.#wake.wait(this.#idle());
      }
    } finally {
      unwatch();
      this.#unsubscribe();
    }
  }

  /** The client has another connection, or none. */
  async #follow(): Promise<void> {
    this.#unsubscribe();
    if (this.#told) {
      const error = this.#client.lost ?? KezError.local('disconnected', 'the connection was closed');
      this.#waiting.push({ type: 'disconnected', error });
      this.#told = false;
    }
    const { connection } = this.#client;
    this.#connection = connection;
    if (!connection) return;
    this.#state.open();
    this.#checks = 0;
    this.#checkAt = Number.POSITIVE_INFINITY;
    this.#readAt = 0;
    this.#subscription = connection.subscribe(this.#inbox, {
      callback: (error, msg) => {
        if (error) this.#refused = KezError.of('not_owner', error.message);
        else this.#take(msg);
        this.#wake.ring();
      },
    });
    // History is asked behind the subscription: what it doesn't have is pushed. A flush has no end if the connection has one.
    await Promise.race([connection.flush(), connection.closed()]).catch(() => {});
  }

  #take(msg: Parameters<typeof readPush>[0]): void {
    const push = readPush(msg, this.#client.handle);
    if (!push) this.#dropped += 1;
    else if (this.#state.push(push, this.#waiting.length < WAITING)) this.#queue(push.message);
  }

  #queue(message: Message): void {
    this.#waiting.push({ type: 'message', message, epoch: this.#state.cursor.epoch ?? '' });
  }

  #mayRead(): boolean {
    const now = performance.now();
    if (now >= this.#checkAt) {
      this.#checkAt = Number.POSITIVE_INFINITY;
      this.#state.check();
    }
    return this.#connection !== undefined && this.#state.behind && now >= this.#readAt;
  }

  /** How long nothing is to be done, in milliseconds. */
  #idle(): number {
    if (!this.#connection) return Number.POSITIVE_INFINITY;
    const until = this.#state.behind ? this.#readAt : this.#checkAt;
    return Math.max(0, until - performance.now());
  }

  async #read(): Promise<void> {
    const read = this.#state.read();
    const before = this.#state.cursor;
    let pause = 0;
    try {
      const page = await this.#client.history({ since: read.since, head: true });
      const { resync, messages } = this.#state.page(read, page);
      if (resync) this.#waiting.push({ type: 'resync', epoch: page.epoch });
      if (this.#state.settled && !this.#told) {
        this.#waiting.push({
          type: 'connected',
          cursor: resync ? this.#state.cursor : { ...before, epoch: page.epoch },
        });
        this.#told = true;
      }
      for (const message of messages) this.#queue(message);
      const stuck = this.#state.behind && !resync && messages.length === 0;
      this.#failures = stuck ? this.#failures + 1 : 0;
    } catch (error) {
      this.#state.failed();
      if (!(error instanceof KezError) || error.retryAfter === undefined) throw error;
      this.#failures += 1;
      pause = error.asked;
    }
    const now = performance.now();
    if (this.#failures > 0) pause = Math.max(pause, backoff(this.#failures - 1, FIRST_PAUSE, LAST_PAUSE));
    this.#readAt = now + pause;
    if (!this.#state.behind && this.#checkAt === Number.POSITIVE_INFINITY) {
      this.#checks += 1;
      this.#checkAt = now + (this.#checks === 1 ? SETTLED : PERIOD * (0.75 + Math.random() / 2));
    }
  }

  #unsubscribe(): void {
    this.#subscription?.unsubscribe();
    this.#subscription = undefined;
  }
}
