// Who is behind a handle: the key that was pinned at first, or its proven successor, and nobody else.

import { utf8 } from '../lib/bytes.ts';
import { KezError } from '../lib/error.ts';
import { lookup, lookupKey, sigchain } from '../lib/http.ts';
import { strongKey } from '../lib/keys/ed25519.ts';
import { KeyChanged, Pins } from '../lib/sealing/index.ts';
import type { Primary, Record } from '../lib/wire.ts';
import { API, type Core } from './core.ts';
import type { ConversationRow, Database } from './database.ts';
import { ClientError, ForeignServer } from './errors.ts';

/** Milliseconds for which a key that was looked up is taken as the handle's. */
const FRESH = 60_000;

/** Whom a message goes to. */
export interface Addressee {
  readonly handle: string;
  readonly primary: Primary;
}

/** The people of the account's server. */
export function peersOf(core: Core): Peers {
  if (core.peers?.server !== core.domain) core.peers = new Peers(core.db, API, core.domain);
  return core.peers;
}

/** The people of one server. */
export class Peers {
  readonly #checked = new Map<Primary, { handle: string; at: number }>();

  constructor(
    readonly db: Database,
    /** Base URL of the server. */
    readonly api: string,
    /** Its name. */
    readonly server: string,
  ) {}

  /**
   * Who a person means by `alice`, `alice@server` or a key. Throws a `KezError`, `KeyChanged`, `ForeignServer`, and `not_a_peer` for what is neither a handle
   * nor a key.
   */
  async find(text: string): Promise<Record> {
    const name = text.trim().toLowerCase().replace(/^@/, '');
    const key = /^(?:ed25519:)?([0-9a-f]{64})$/.exec(name)?.[1];
    const record = key === undefined ? await this.#named(name) : await this.byKey(`ed25519:${key}`);
    const { handle, primary } = record;
    const pinned = await this.pinned(handle);
    if (pinned !== undefined && !(await this.proves(pinned, primary))) {
      throw new KeyChanged(`${handle}@${this.server}`, pinned, primary);
    }
    return record;
  }

  async #named(name: string): Promise<Record> {
    const [handle = '', server = this.server, ...more] = name.split('@');
    if (!/^[a-z0-9][a-z0-9_-]{2,31}$/.test(handle) || more.length > 0) throw new ClientError('not_a_peer');
    if (server !== this.server) throw new ForeignServer(server);
    return this.byHandle(handle);
  }

  /** The record of a handle, whose key may be any. Throws a `KezError`. */
  async byHandle(handle: string): Promise<Record> {
    const record = await lookup(this.api, handle);
    return this.#checkRecord(record, record.handle === handle);
  }

  /** The record of a key. Throws a `KezError`. */
  async byKey(primary: Primary): Promise<Record> {
    const record = await lookupKey(this.api, primary);
    return this.#checkRecord(record, record.primary === primary);
  }

  #checkRecord(record: Record, asked: boolean): Record {
    if (!asked) throw KezError.local('malformed', 'the server answers with the record of somebody else');
    strongKey(record.primary);
    return record;
  }

  /** The key that is pinned for a handle. */
  async pinned(handle: string): Promise<Primary | undefined> {
    return (await this.#pins()).get(handle, this.server);
  }

  /**
   * The handle and the key to send to, and pins the key. Throws `KeyChanged` if the handle has another key now that nothing proves; calls `moved` if it has a proven one.
   * Throws a `KezError`: `unknown_handle` of somebody who left.
   */
  async addressOf(row: ConversationRow, moved: (to: Primary) => Promise<void>): Promise<Addressee> {
    const known = this.#checked.get(row.primary);
    if (known && Date.now() - known.at < FRESH) return { handle: known.handle, primary: row.primary };
    const record = await this.recordOf(row);
    const { handle, primary } = record;
    if (primary !== row.primary) {
      const proven = await this.proves(row.primary, primary);
      if (!proven) throw new KeyChanged(`${handle}@${this.server}`, row.primary, primary);
      await moved(primary);
    }
    const pins = await this.#pins();
    const pinned = pins.get(handle, this.server);
    const proof = pinned === undefined || (await this.proves(pinned, primary));
    pins.check(handle, this.server, primary, () => proof);
    if (pinned !== primary) await this.pin(handle, primary);
    this.#checked.set(primary, { handle, at: Date.now() });
    return { handle, primary };
  }

  /** What the server says of a peer: by the handle, if it is known; it may have been given up for another. Throws a `KezError`. */
  async recordOf({ handle, primary }: ConversationRow): Promise<Record> {
    if (handle === undefined) return this.byKey(primary);
    try {
      return await this.byHandle(handle);
    } catch (error) {
      if (!(error instanceof KezError) || error.code !== 'unknown_handle') throw error;
      return this.byKey(primary);
    }
  }

  /** Whether the identity log of `from` says that its owner goes on under `to`. Throws a `KezError` if it can't be had. */
  async proves(from: Primary, to: Primary): Promise<boolean> {
    if (from === to) return true;
    const { Broken, Chain } = await import('../lib/chain/index.ts');
    try {
      const { events } = await sigchain(this.api, from);
      const chain = Chain.verify(events.map((event) => utf8(JSON.stringify(event))));
      return chain.primary === to && chain.wasUnder(from);
    } catch (error) {
      if (error instanceof Broken) return false;
      if (error instanceof KezError && error.code === 'unknown_chain') return false;
      throw error;
    }
  }

  /** Pins a key, whatever was pinned before. */
  async pin(handle: string, primary: Primary): Promise<void> {
    const tx = this.db.transaction('state', 'readwrite');
    const pins = (await tx.store.get('pins')) as { [name: string]: Primary } | undefined;
    await tx.store.put({ ...pins, [`${handle}@${this.server}`]: primary }, 'pins');
    await tx.done;
  }

  /** Looks everybody up anew. */
  forget(): void {
    this.#checked.clear();
  }

  async #pins(): Promise<Pins> {
    return Pins.fromJSON((await this.db.get('state', 'pins')) ?? {});
  }
}
