// A feed of one inbox over server-sent events. The server repairs gaps; this keeps the cursor, and comes back.

import { KezError } from '../error.ts';
import { backoff } from '../nats/backoff.ts';
import type { Cursor } from '../nats/catch-up.ts';
import type { MailEvent } from '../nats/mail.ts';
import { Signal } from '../nats/signal.ts';
import type { Session } from '../session.ts';
import type { Message, Ready, Resync } from '../wire.ts';
import { readEvents, type SseEvent } from './events.ts';

/** Before connecting again: at first, and at most, in milliseconds. */
const FIRST_PAUSE = 500;
const LAST_PAUSE = 30_000;

/** The feed. Iterate over it once; it ends when it is closed, and throws a `KezError` if the server refuses this inbox or the session has ended. */
export class SseMail implements AsyncIterable<MailEvent> {
  readonly #session: Session;
  readonly #wake = new Signal();
  #stop = new AbortController();
  #seq: number;
  #epoch: string | undefined;
  #retry: number | undefined;
  #closed = false;

  /** Of a session's own inbox, from behind this cursor. */
  constructor(session: Session, cursor: Cursor) {
    this.#session = session;
    this.#seq = cursor.seq;
    this.#epoch = cursor.epoch;
  }

  /** Ends the feed. */
  close(): void {
    this.#closed = true;
    this.reconnect();
  }

  /** Drops the stream and opens another at once, as after a change of networks. */
  reconnect(): void {
    this.#stop.abort();
    this.#wake.ring();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<MailEvent, void, undefined> {
    let failures = 0;
    let fresh = false;
    while (!this.#closed) {
      this.#stop = new AbortController();
      let error = KezError.local('disconnected', 'the stream ended');
      try {
        for await (const event of this.#stream(fresh)) {
          failures = 0;
          fresh = false;
          yield event;
        }
      } catch (cause) {
        if (!(cause instanceof KezError)) throw cause;
        // A token that was refused isn't shown a second time.
        const stale: boolean = ['token_expired', 'invalid_token'].includes(cause.code) && !fresh;
        if (cause.retryAfter === undefined && !stale) throw cause;
        fresh = stale;
        error = cause;
      }
      if (this.#closed) return;
      yield { type: 'disconnected', error };
      const pause = Math.max(this.#retry ?? 0, backoff(failures, FIRST_PAUSE, LAST_PAUSE));
      await this.#wake.wait(Math.max(pause, error.asked));
      failures += 1;
      this.#retry = undefined;
    }
  }

  async *#stream(fresh: boolean): AsyncGenerator<MailEvent, void, undefined> {
    const token = await this.#session.token(fresh);
    const query = new URLSearchParams({ since: String(this.#seq) });
    if (this.#epoch !== undefined) query.set('epoch', this.#epoch);
    const url = `${this.#session.api}/v1/inbox/${this.#session.handle}/stream?${query}`;
    const onRetry = (milliseconds: number) => {
      this.#retry = milliseconds;
    };
    for await (const event of readEvents(url, token, this.#stop.signal, onRetry)) {
      const said = this.#read(event);
      if (said === 'again') return;
      if (said) yield said;
    }
  }

  #read({ event, data }: SseEvent): MailEvent | 'again' | undefined {
    if (event === 'ready') {
      const { cursor, epoch } = parse<Ready>(data);
      // Of another store: the server says so next.
      if (this.#epoch !== undefined && this.#epoch !== epoch) return undefined;
      this.#epoch = epoch;
      return { type: 'connected', cursor: { seq: cursor, epoch } };
    }
    if (event === 'resync') {
      const { reason, epoch } = parse<Resync>(data);
      if (reason !== 'cursor') return 'again';
      this.#seq = 0;
      this.#epoch = epoch;
      return { type: 'resync', epoch };
    }
    if (event !== 'message') return undefined;
    const message = parse<Message>(data);
    if (message.seq <= this.#seq) return undefined;
    this.#seq = message.seq;
    return { type: 'message', message, epoch: this.#epoch ?? '' };
  }
}

function parse<T>(data: string): T {
  try {
    return JSON.parse(data) as T;
  } catch (cause) {
    throw KezError.local('malformed', "an event isn't JSON", cause);
  }
}
