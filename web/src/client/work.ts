// What one window does for all: it gets the mail, opens it, and sends the outbox.

import { KezError } from '../lib/error.ts';
import { Signal } from '../lib/nats/signal.ts';
import { Session } from '../lib/session.ts';
import type { Primary, Sent } from '../lib/wire.ts';
import { openArrived } from './arrivals.ts';
import type { Status } from './bus.ts';
import { API, type Core } from './core.ts';
import { fact, keepFact } from './database.ts';
import { codeOf } from './errors.ts';
import { Feed } from './feed.ts';
import type { Filed } from './filing.ts';
import { introduce, introduceAll, moveTo, warnOfKey } from './key-change.ts';
import { Outbox } from './outbox.ts';
import { peersOf } from './peers.ts';

/** A session that was refused so soon after its beginning isn't followed by another. In milliseconds. */
const TOO_SOON = 60_000;
/** Before mail is opened again that couldn't be filed. */
const STUCK = 30_000;

export class MailWork {
  readonly #core: Core;
  readonly #news: (conversations: readonly Primary[]) => void;
  readonly #feed: Feed;
  readonly #outbox: Outbox;
  readonly #arrived = new Signal();
  readonly #unlocked = new Signal();
  #began = Number.NEGATIVE_INFINITY;
  #closed = false;

  /** `news` is called with the conversations that have messages of others; with none while locked. */
  constructor(core: Core, news: (conversations: readonly Primary[]) => void) {
    this.#core = core;
    this.#news = news;
    this.#feed = new Feed(core.db, {
      session: () => this.#session(),
      ended: (session) => this.#ended(session),
      natsUrl: () => core.server?.nats?.websocket_url,
      choice: () => core.settings.transport,
      status: (status) => this.#status(status),
      copies: core.ownCopies,
      stored: (counted) => this.#stored(counted),
    });
    this.#outbox = new Outbox(core.db, {
      keys: () => core.keys,
      get handle() {
        return core.account?.handle ?? '';
      },
      deliver: (to, envelope): Promise<Sent> => this.#feed.deliver(to, envelope),
      addressOf: (row) => peersOf(core).addressOf(row, (to) => moveTo(core, row.id, to)),
      copied: (copy, memory) => core.ownCopies.set(copy.enc, memory),
      changed: (conversation, order) => core.changed({ conversation, order }),
      keyChanged: (conversation, error) => warnOfKey(core, conversation, error.offered),
    });
  }

  get status(): Status {
    return this.#feed.status;
  }

  /** Works until `over`. */
  async run(over: AbortSignal): Promise<void> {
    const unlisten = this.#core.bus.listen((notice) => {
      if (notice.type === 'outbox') this.#outbox.ring();
      if (notice.type === 'wake') this.wake();
    });
    over.addEventListener('abort', () => this.close());
    if (over.aborted) this.close();
    try {
      await Promise.all([this.#feed.run(), this.#outbox.run(), this.#openMail()]);
    } finally {
      unlisten();
    }
  }

  /** The keys are here. */
  unlocked(): void {
    this.#unlocked.ring();
    this.#arrived.ring();
    this.#outbox.wake();
    if (this.#feed.status.live === 'live') void introduceAll(this.#core).catch(() => {});
    if (this.#feed.status.problem !== undefined) this.#feed.wake();
  }

  wake(): void {
    this.#feed.wake();
    this.#outbox.wake();
  }

  close(): void {
    this.#closed = true;
    this.#feed.close();
    this.#outbox.close();
    this.#unlocked.ring();
    this.#arrived.ring();
  }

  /** The session that is kept, or a new one. Waits for the keys if it must. */
  async #session(): Promise<Session> {
    while (!this.#closed) {
      const { account, db, domain } = this.#core;
      const kept = await fact(db, 'session');
      const good = kept?.primary === account?.primary && kept && lasts(kept.answer.session_expires_at);
      if (good) return this.#watched(Session.resume(API, domain, kept));
      const { keys } = this.#core;
      if (keys) {
        const session = await Session.begin(API, domain, keys.identity);
        this.#began = performance.now();
        await keepFact(db, 'session', session.keep());
        return this.#watched(session);
      }
      this.#status({ live: 'offline', transport: undefined, problem: undefined });
      await this.#unlocked.wait(Number.POSITIVE_INFINITY);
    }
    throw KezError.local('disconnected', 'the work is over');
  }

  #watched(session: Session): Session {
    session.onRenewed = (kept) => void keepFact(this.#core.db, 'session', kept);
    return session;
  }

  async #ended(session: Session): Promise<boolean> {
    const kept = await fact(this.#core.db, 'session');
    if (kept?.answer.session_expires_at === session.keep().answer.session_expires_at) {
      await this.#core.db.delete('state', 'session');
    }
    return performance.now() - this.#began > TOO_SOON;
  }

  #status(status: Status): void {
    this.#core.bus.tell({ type: 'status', status });
    if (status.live !== 'live') return;
    this.#outbox.wake();
    if (this.#core.keys) void introduceAll(this.#core).catch(() => {});
  }

  #stored(counted: number): void {
    this.#core.bus.tell({ type: 'arrived' });
    if (this.#core.keys) this.#arrived.ring();
    else if (counted > 0) this.#news([]);
  }

  /** Opens what came, whenever there is something and somebody is unlocked. */
  async #openMail(): Promise<void> {
    let stuck = false;
    while (!this.#closed) {
      let pause = Number.POSITIVE_INFINITY;
      try {
        await this.#openAll();
        if (stuck) this.#status(this.status);
        stuck = false;
      } catch (error) {
        // It is stored, and waits: for room on the device, at most.
        this.#core.bus.tell({ type: 'status', status: { ...this.status, problem: codeOf(error) } });
        pause = STUCK;
        stuck = true;
      }
      await this.#arrived.wait(pause);
    }
  }

  /** Nothing else holds the keys: while it waits, a lock takes them out of memory. */
  async #openAll(): Promise<void> {
    const { db, domain, ownCopies, keys } = this.#core;
    if (!keys) return;
    const stopped = () => this.#closed || this.#core.keys !== keys;
    await openArrived(db, keys, domain, (batch) => this.#filed(batch), stopped, ownCopies);
  }

  #filed(batch: readonly Filed[]): void {
    this.#core.changed(...batch.map(({ conversation, order }) => ({ conversation, order })));
    this.#core.bus.tell({ type: 'arrived' });
    const news = batch.filter(({ news }) => news).map(({ conversation }) => conversation);
    if (news.length > 0) this.#news([...new Set(news)]);
    for (const key of new Set(batch.flatMap(({ stranger }) => stranger ?? []))) {
      void introduce(this.#core, key).catch(() => {});
    }
  }
}

function lasts(until: string): boolean {
  return Date.parse(until) - Date.now() > 60_000;
}
