// The outbox: what was written is sent in order, for as long as it takes, whatever happens to the page or the network.

import { Signal } from '../lib/nats/signal.ts';
import { KeyChanged, type Sealed, type SealedMessage, sealWithCopy } from '../lib/sealing/index.ts';
import { timestamp } from '../lib/timestamp.ts';
import type { Primary, Sent } from '../lib/wire.ts';
import type { ConversationRow, Database, OutboxRow, SeenRow } from './database.ts';
import { ClientError, codeOf } from './errors.ts';
import { chunkBody, chunkId, manifestBody } from './file-messages.ts';
import { chunkOf } from './files.ts';
import { openContent } from './messages.ts';
import type { Addressee } from './peers.ts';
import { isPassing, Retries } from './retries.ts';
import { memoryOf } from './seen-store.ts';
import type { Keys } from './vault.ts';

/** What was sealed longer ago is sealed anew: after ten minutes no reader takes it. In milliseconds. */
const STALE = 8 * 60_000;
/** Before the outbox is read again that couldn't be read, in milliseconds. */
const STUCK = 30_000;

/** Chunks that are on their way at once. */
const FLIGHT = 4;

/** What the outbox needs of others. */
export interface Post {
  /** Nobody's while locked: then only what is sealed already is sent. */
  keys(): Keys | undefined;
  /** One's own handle. */
  readonly handle: string;
  /** Throws a `KezError`. */
  deliver(to: string, envelope: object): Promise<Sent>;
  /** The handle of the peer, and the key, which was checked. Throws `KeyChanged` or a `KezError`. */
  addressOf(conversation: ConversationRow): Promise<Addressee>;
  /** This copy may come: what is in it is here. */
  copied(copy: Sealed, memory: SeenRow): void;
  /** A message changed. */
  changed(conversation: Primary, order: number): void;
  keyChanged(conversation: Primary, error: KeyChanged): Promise<void>;
}

/** The one that sends. Only in one window at a time. */
export class Outbox {
  readonly #db: Database;
  readonly #post: Post;
  readonly #bell = new Signal();
  readonly #retries = new Retries();
  #closed = false;

  constructor(db: Database, post: Post) {
    this.#db = db;
    this.#post = post;
  }

  /** There is something new. */
  ring(): void {
    this.#bell.ring();
  }

  /** The server can be reached again, or the keys are here. */
  wake(): void {
    this.#retries.hurry();
    this.#bell.ring();
  }

  close(): void {
    this.#closed = true;
    this.#bell.ring();
  }

  async run(): Promise<void> {
    while (!this.#closed) {
      try {
        const next = await this.#next();
        if (typeof next === 'number') await this.#bell.wait(next - performance.now());
        else await this.#try(next);
      } catch {
        if (!this.#closed) await this.#bell.wait(STUCK);
      }
    }
  }

  /** Sends a part. What is worth another try waits for it, and what a person must decide for them. */
  async #try(row: OutboxRow): Promise<void> {
    const n = row.n as number;
    const keys = this.#post.keys();
    try {
      await this.#send(row, keys);
      this.#retries.forget(n);
    } catch (error) {
      if (this.#closed) return;
      // A lock takes the key away in the middle.
      const locked = this.#post.keys() !== keys;
      if (locked || isPassing(error)) {
        this.#retries.failed(n, error);
        return;
      }
      this.#retries.forget(n);
      if (error instanceof KeyChanged) await this.#post.keyChanged(row.conversation, error);
      await this.#fail(row, codeOf(error));
    }
  }

  /**
   * The first that can be sent now, or when there is one. What waits for another try holds up what was written behind it in its conversation, and nothing else;
   * the chunks of a file hold up nothing.
   */
  async #next(): Promise<OutboxRow | number> {
    let file: OutboxRow | undefined;
    let due = Number.POSITIVE_INFINITY;
    const held = new Set<Primary>();
    const now = performance.now();
    const locked = this.#post.keys() === undefined;
    let cursor = await this.#db.transaction('outbox').store.openCursor();
    while (cursor) {
      const row = cursor.value;
      const chunks = row.part > 0;
      if (!row.failed && (!locked || isFresh(row)) && (chunks || !held.has(row.conversation))) {
        const its = this.#retries.due(row.n as number);
        if (its <= now && !chunks) return row;
        if (its <= now) file ??= row;
        else if (!chunks) held.add(row.conversation);
        if (its > now) due = Math.min(due, its);
      }
      cursor = await cursor.continue();
    }
    return file ?? due;
  }

  /** Sends what is next to whoever hasn't got it. */
  async #send(row: OutboxRow, keys: Keys | undefined): Promise<void> {
    const conversation = await this.#conversationOf(row);
    if (!conversation) return;
    if (row.part > 0) return this.#sendChunks(row, conversation, keys);
    if (row.copy) {
      const sealed = await this.#sealed(row, conversation.primary, keys);
      if (!sealed) return;
      await this.#leaveCopy(sealed.copy, { id: row.id, at: sealed.at / 1000 });
      return this.#advance(row, 1);
    }
    const { handle, primary } = await this.#post.addressOf(conversation);
    const sealed = await this.#sealed(row, primary, keys);
    if (!sealed) return;
    await this.#post.deliver(handle, sealed.envelope);
    await this.#advance(row, handle === this.#post.handle ? 1 : 0);
  }

  /** Where a row belongs now. One that belongs nowhere is dropped. */
  async #conversationOf({ n }: OutboxRow): Promise<ConversationRow | undefined> {
    const tx = this.#db.transaction(['outbox', 'conversations'], 'readwrite');
    const row = await tx.objectStore('outbox').get(n as number);
    const conversation = row && (await tx.objectStore('conversations').get(row.conversation));
    if (row && !conversation) await tx.objectStore('outbox').delete(n as number);
    await tx.done;
    return conversation;
  }

  /** Sends the next chunks of a file, all at once. Of what is sent again after an interruption readers keep the first. */
  async #sendChunks(row: OutboxRow, conversation: ConversationRow, keys: Keys | undefined): Promise<void> {
    if (!keys) throw new ClientError('locked');
    const { handle, primary } = await this.#post.addressOf(conversation);
    const parts = Array.from({ length: Math.min(FLIGHT, row.parts - row.part) }, (_, n) => row.part + n);
    const send = async (part: number) => {
      const message = await this.#message({ ...row, part }, primary, keys);
      const { envelope, copy } = await sealWithCopy(keys.identity, message);
      await this.#post.deliver(handle, envelope);
      if (handle !== this.#post.handle) await this.#leaveCopy(copy, memoryOf(message));
    };
    await Promise.all(parts.map(send));
    await this.#advance(row, parts.length);
  }

  /** If it can't be left for good, the message is sent all the same; only the other devices miss it. */
  async #leaveCopy(copy: Sealed, memory: SeenRow): Promise<void> {
    this.#post.copied(copy, memory);
    try {
      await this.#post.deliver(this.#post.handle, copy);
    } catch (error) {
      if (isPassing(error)) throw error;
    }
  }

  /** Both envelopes of what is next, stored before they are sent; none of what was taken back. */
  async #sealed(row: OutboxRow, to: Primary, keys: Keys | undefined): Promise<OutboxRow['sealed']> {
    if (row.sealed && row.sealed.to === to && (isFresh(row) || !keys)) return row.sealed;
    if (!keys) throw new ClientError('locked');
    const message = await this.#message(row, to, keys);
    const sealed = { to, at: Date.parse(message.sent_at), ...(await sealWithCopy(keys.identity, message)) };
    const tx = this.#db.transaction('outbox', 'readwrite');
    const present = await tx.store.get(row.n as number);
    if (present) await tx.store.put({ ...present, sealed });
    await tx.done;
    return present && sealed;
  }

  async #message(row: OutboxRow, to: Primary, keys: Keys): Promise<SealedMessage> {
    const stored = await this.#db.getFromIndex('messages', 'id', row.id);
    if (!stored) throw new TypeError('a message of the outbox is in no conversation');
    const content = openContent(keys.history, stored);
    const base = { primary: keys.identity.primary, to, sent_at: timestamp(new Date()) };
    if ('text' in content) return { ...base, id: row.wireId, body: { text: content.text } };
    if (!('file' in content)) throw new TypeError('a message of the outbox says nothing');
    if (row.part === 0) return { ...base, id: row.wireId, body: manifestBody(content.file) };
    const n = row.part - 1;
    const data = await chunkOf(this.#db, keys.history, row.id, n);
    return { ...base, id: chunkId(row.wireId, n), body: chunkBody({ file: row.wireId, n, data }) };
  }

  /** So many parts were sent, with their copies; with 0 the copy of this part is next. */
  async #advance({ n }: OutboxRow, parts: number): Promise<void> {
    const tx = this.#db.transaction(['outbox', 'messages'], 'readwrite', { durability: 'strict' });
    const row = await tx.objectStore('outbox').get(n as number);
    // Taken back meanwhile.
    if (!row) return;
    row.part += parts;
    row.copy = parts === 0;
    if (!row.copy) delete row.sealed;
    const delivered = row.copy ? row.part + 1 : row.part;
    const messages = tx.objectStore('messages');
    const message = await messages.get([row.conversation, row.order]);
    if (message) {
      if (delivered === row.parts) message.state = 'stored';
      if (row.parts > 1) message.done = delivered - 1;
      delete message.error;
      await messages.put(message);
    }
    const over = !message || row.part === row.parts;
    if (over) await tx.objectStore('outbox').delete(n as number);
    else await tx.objectStore('outbox').put(row);
    await tx.done;
    this.#post.changed(row.conversation, row.order);
  }

  async #fail({ n }: OutboxRow, code: string): Promise<void> {
    const tx = this.#db.transaction(['outbox', 'messages'], 'readwrite', { durability: 'strict' });
    const row = await tx.objectStore('outbox').get(n as number);
    if (!row) return;
    const message = await tx.objectStore('messages').get([row.conversation, row.order]);
    if (message) await tx.objectStore('messages').put({ ...message, state: 'failed', error: code });
    if (message) await tx.objectStore('outbox').put({ ...withoutSealed(row), failed: true });
    else await tx.objectStore('outbox').delete(n as number);
    await tx.done;
    this.#post.changed(row.conversation, row.order);
  }
}

function isFresh({ sealed }: OutboxRow): boolean {
  return sealed !== undefined && Date.now() - sealed.at < STALE;
}

function withoutSealed({ sealed: _, ...row }: OutboxRow): OutboxRow {
  return row;
}
