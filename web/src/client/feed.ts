// The mail of a session, over whichever transport there is: from the place that is stored, and stored as it comes.

import { KezError } from '../lib/error.ts';
import { history, send } from '../lib/http.ts';
import { backoff } from '../lib/nats/backoff.ts';
import type { NatsClient } from '../lib/nats/client.ts';
import type { MailEvent } from '../lib/nats/mail.ts';
import { Signal } from '../lib/nats/signal.ts';
import type { Session } from '../lib/session.ts';
import { SseMail } from '../lib/sse/index.ts';
import type { Message, Sent } from '../lib/wire.ts';
import { type Copies, startOver, storeArrived } from './arrivals.ts';
import type { Status } from './bus.ts';
import { type Database, fact } from './database.ts';
import { askedPause, ClientError, codeOf, storageError } from './errors.ts';
import type { Live, Transport, TransportChoice } from './types.ts';

/** A transport that doesn't connect within this, or in so many tries, is left: for the other one, if there is one. In milliseconds. */
const PATIENCE = 10_000;
const TRIES = 2;
/** Between polls while nothing streams. */
const HEARTBEAT = 30_000;
/** Before another try: at first, and at most. */
const FIRST_PAUSE = 500;
const LAST_PAUSE = 10_000;
/** After so long in vain the page says that it is offline, in milliseconds. */
const HOPELESS = 12_000;
/** Messages that wait to be stored, before the stream waits. */
const WAITING = 256;

/** What the feed needs of others. */
export interface Source {
  /** A session that hasn't ended; waits until somebody is unlocked, if it must. Throws a `KezError` that says why there is none. */
  session(): Promise<Session>;
  /** The server refused this session. Whether another may be had. */
  ended(session: Session): Promise<boolean>;
  /** `ws://` or `wss://`, where the server has it. */
  natsUrl(): string | undefined;
  choice(): TransportChoice;
  status(status: Status): void;
  /** One's own copies that were sent from here. */
  readonly copies: Copies;
  /** Mail was stored; so many of it count as unread while nobody can open it. */
  stored(counted: number): void;
}

/** One stream of an opened transport. */
interface Stream {
  readonly mail: AsyncIterable<MailEvent>;
  close(): void;
  send(to: string, envelope: object): Promise<Sent>;
}

/** The feed. Only in one window at a time. */
export class Feed {
  readonly #db: Database;
  readonly #source: Source;
  readonly #bell = new Signal();
  #session: Session | undefined;
  #stream: Stream | undefined;
  #live: Live = 'connecting';
  #transport: Transport | undefined;
  #problem: string | undefined;
  #failures = 0;
  #lived = false;
  #woken = false;
  /** Since when there is no stream. */
  #lostAt = performance.now();
  /** The server asked to be left alone until then, by `performance.now`. */
  #notBefore = 0;
  /** Which transport is tried next where none is chosen. */
  #nearer: Transport = 'sse';
  #closed = false;
  #waiting: Message[] = [];
  #writing: Promise<void> | undefined;
  #broken: unknown;

  constructor(db: Database, source: Source) {
    this.#db = db;
    this.#source = source;
  }

  get status(): Status {
    return { live: this.#live, transport: this.#transport, problem: this.#problem };
  }

  /** Connects anew and at once: the network changed, or the choice of transport, or somebody unlocked. */
  wake(): void {
    this.#woken = true;
    this.#stream?.close();
    this.#bell.ring();
  }

  close(): void {
    this.#closed = true;
    this.wake();
  }

  /** Leaves a message in somebody's inbox. Throws a `KezError`. */
  async deliver(to: string, envelope: object): Promise<Sent> {
    const stream = this.#stream;
    if (stream && this.#live === 'live') return stream.send(to, envelope);
    if (!this.#session) throw KezError.local('disconnected', 'there is no session');
    return sendHttp(this.#session, to, envelope);
  }

  async run(): Promise<void> {
    const beat = setInterval(() => void this.#poll().catch((error) => this.#heed(error)), HEARTBEAT);
    try {
      while (!this.#closed) {
        await this.#once().catch(async (error) => {
          this.#problem = codeOf(error);
          await this.#bell.wait(LAST_PAUSE);
        });
      }
    } finally {
      clearInterval(beat);
    }
  }

  /** One session over one transport, until it fails or is woken. */
  async #once(): Promise<void> {
    let error: unknown;
    try {
      this.#say(this.#waitingState(), undefined);
      this.#session = await this.#source.session();
      this.#problem = undefined;
      if (this.#closed) return;
      const transport = this.#pick();
      await this.#follow(this.#session, transport);
    } catch (cause) {
      error = storageError(cause);
      this.#heed(cause);
    }
    this.#stream = undefined;
    if (this.#closed) return;
    if (this.#woken) {
      // It was no failure: the same transport again, and at once.
      this.#failures = 0;
      this.#woken = false;
    } else {
      this.#failures += 1;
    }
    const refused = error instanceof KezError && error.retryAfter === undefined;
    // No other way leads further with a session that is refused.
    if (!refused && this.#failures > 0) this.#nearer = this.#nearer === 'sse' ? 'nats' : 'sse';
    if (refused) {
      const another = this.#session !== undefined && (await this.#source.ended(this.#session));
      this.#session = undefined;
      if (!another) this.#problem = codeOf(error);
    } else if (error instanceof ClientError) {
      this.#problem = error.code;
    }
    this.#say(this.#waitingState(), undefined);
    const pause = backoff(Math.max(0, this.#failures - 1), FIRST_PAUSE, LAST_PAUSE);
    // What a person must put right is tried again when they wake this.
    await this.#bell.wait(refused && this.#problem !== undefined ? Number.POSITIVE_INFINITY : pause);
    // Nothing wakes it before the server wants it.
    while (!this.#closed && this.#left() > 0) await this.#bell.wait(this.#left());
  }

  /** Leaves the server alone for as long as it asks. */
  #heed(error: unknown): void {
    this.#notBefore = Math.max(this.#notBefore, performance.now() + askedPause(error));
  }

  /** Milliseconds for which the server is to be left alone. */
  #left(): number {
    return this.#notBefore - performance.now();
  }

  #waitingState(): Live {
    const now = performance.now();
    if (this.#live === 'live') this.#lostAt = now;
    const hopeless = now - this.#lostAt > HOPELESS;
    if (!navigator.onLine || hopeless || this.#problem !== undefined) return 'offline';
    return this.#lived ? 'reconnecting' : 'connecting';
  }

  /** What is chosen; else SSE at first, and after a failure the other one. */
  #pick(): Transport {
    const choice = this.#source.choice();
    if (this.#source.natsUrl() === undefined) return 'sse';
    return choice === 'auto' ? this.#nearer : choice;
  }

  #hasOther(): boolean {
    return this.#source.choice() === 'auto' && this.#source.natsUrl() !== undefined;
  }

  async #follow(session: Session, transport: Transport): Promise<void> {
    this.#transport = transport;
    const place = (await fact(this.#db, 'place')) ?? { seq: 0 };
    const stream = transport === 'sse' ? openSse(session, place) : await this.#openNats(session, place);
    this.#stream = stream;
    this.#broken = undefined;
    let tries = 0;
    let patience = this.#hasOther() ? setTimeout(() => stream.close(), PATIENCE) : undefined;
    try {
      for await (const event of stream.mail) {
        if (event.type === 'connected') {
          clearTimeout(patience);
          patience = undefined;
          tries = 0;
          this.#failures = 0;
          this.#lived = true;
          this.#say('live', transport);
        } else if (event.type === 'message') {
          await this.#take(event.message, event.epoch);
        } else if (event.type === 'resync') {
          await this.#writing;
          await startOver(this.#db, event.epoch);
        } else {
          this.#heed(event.error);
          tries += 1;
          this.#failures += 1;
          this.#say(this.#waitingState(), undefined);
          if (tries >= TRIES) break;
          if (this.#hasOther()) patience ??= setTimeout(() => stream.close(), PATIENCE);
        }
      }
      await this.#writing;
      if (this.#broken !== undefined) throw this.#broken;
    } finally {
      clearTimeout(patience);
      stream.close();
    }
  }

  async #openNats(session: Session, place: { seq: number; epoch?: string }): Promise<Stream> {
    const { NatsClient } = await import('../lib/nats/client.ts');
    const client: NatsClient = await NatsClient.connect({
      servers: this.#source.natsUrl() ?? '',
      domain: session.domain,
      handle: session.handle,
      login: session,
    });
    return {
      mail: client.mail(place),
      close: () => void client.close(),
      send: (to, envelope) => client.send(to, envelope),
    };
  }

  /** Stores what came while the last was stored, all at once. */
  async #take(message: Message, epoch: string): Promise<void> {
    this.#waiting.push(message);
    this.#writing ??= this.#write(epoch)
      .catch((error) => {
        // What can't be stored isn't passed over: it comes again, from the place that is stored.
        this.#broken = error;
        this.#waiting = [];
        this.#stream?.close();
      })
      .finally(() => {
        this.#writing = undefined;
      });
    if (this.#waiting.length >= WAITING) await this.#writing;
  }

  async #write(epoch: string): Promise<void> {
    while (this.#waiting.length > 0) {
      const messages = this.#waiting;
      this.#waiting = [];
      await this.#store(epoch, messages);
    }
  }

  async #store(epoch: string, messages: readonly Message[]): Promise<void> {
    const stored = await storeArrived(this.#db, epoch, messages, this.#source.copies);
    if (stored.messages > 0) this.#source.stored(stored.counted);
  }

  /** Asks for mail while nothing streams. */
  async #poll(): Promise<void> {
    const session = this.#session;
    if (this.#live === 'live' || !session || this.#closed || this.#writing || this.#left() > 0) return;
    const token = await session.token();
    let more = true;
    while (more && this.status.live !== 'live') {
      const place = (await fact(this.#db, 'place')) ?? { seq: 0 };
      const page = await history(session.api, token, session.handle, place.seq);
      if (place.epoch !== undefined && place.epoch !== page.epoch) await startOver(this.#db, page.epoch);
      else await this.#store(page.epoch, page.messages);
      more = page.next !== undefined;
    }
    // The server is there: so may its streams be.
    if (this.status.live !== 'live') this.wake();
  }

  #say(live: Live, transport: Transport | undefined): void {
    this.#live = live;
    this.#source.status({ live, transport, problem: this.#problem });
  }
}

function openSse(session: Session, place: { seq: number; epoch?: string }): Stream {
  const mail = new SseMail(session, place);
  return {
    mail,
    close: () => mail.close(),
    send: (to, envelope) => sendHttp(session, to, envelope),
  };
}

/** With a token that is renewed if the server takes it no more. */
async function sendHttp(session: Session, to: string, envelope: object): Promise<Sent> {
  try {
    return await send(session.api, await session.token(), to, envelope);
  } catch (error) {
    const stale =
      error instanceof KezError && (error.code === 'token_expired' || error.code === 'invalid_token');
    if (!stale) throw error;
    return send(session.api, await session.token(true), to, envelope);
  }
}
