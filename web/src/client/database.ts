// What is kept on this device, in IndexedDB. Everything that somebody said is in boxes; the rest is in the clear.

import { type DBSchema, type IDBPDatabase, type IDBPTransaction, openDB, type StoreNames } from 'idb';
import type { Cursor } from '../lib/nats/catch-up.ts';
import type { Sealed } from '../lib/sealing/message.ts';
import type { KeptSession } from '../lib/session.ts';
import type { Message, Primary, ServerInfo, Timestamp } from '../lib/wire.ts';
import { ClientError } from './errors.ts';
import type { ItemState, TransportChoice } from './types.ts';
import type { Vault } from './vault.ts';

/** Whose this device is. */
export interface Account {
  readonly handle: string;
  readonly server: string;
  readonly primary: Primary;
}

/** How far mail was stored. */
export interface Place extends Cursor {
  /** The server's mail was restored: what it stored before this came before, perhaps. */
  readonly again?: Timestamp;
}

/** The memory of what was read, beside its entries. */
export interface SeenState {
  readonly count: number;
  /** The newest `sent_at` that was forgotten, in seconds. */
  readonly floor?: number;
}

export interface Settings {
  readonly transport: TransportChoice;
  /** Minutes without use before the keys are locked away; 0 for never. */
  readonly lockAfter: number;
}

/** Single facts, by name. */
export interface State {
  account: Account;
  vault: Vault;
  session: KeptSession;
  place: Place;
  seen: SeenState;
  server: ServerInfo;
  pins: Record<string, Primary>;
  settings: Settings;
}

export interface ConversationRow {
  readonly id: Primary;
  /** The key that is written to. */
  primary: Primary;
  /** Every key that the peer had, `primary` among them. */
  keys: Primary[];
  handle?: string;
  server: string;
  verified: boolean;
  blocked: boolean;
  /** Deleted while the peer was blocked or verified: kept for that alone, and not listed. */
  hidden?: true;
  keyChange?: { to: Primary; proven: boolean };
  lastAt: number;
  unread: number;
  /** Messages that are there. */
  count: number;
  /** The `order` of the next message. */
  next: number;
  /** The last text, and a draft. */
  box: Uint8Array;
}

export interface MessageRow {
  conversation: Primary;
  order: number;
  /** By sender and the sender's id. */
  readonly id: string;
  readonly mine: boolean;
  readonly at: number;
  state: ItemState;
  error?: string;
  /** Chunks of its file that were sent or came. */
  done?: number;
  /** The body. */
  box: Uint8Array;
}

/** Mail as it came, until it is opened. */
export interface ArrivedRow {
  n?: number;
  readonly message: Message;
  /** It may have come before. */
  readonly again: boolean;
  /** While it can't be opened, it counts as unread. */
  readonly counts?: 1;
}

/** A message on its way, or a file. */
export interface OutboxRow {
  n?: number;
  /** The message's row. */
  readonly id: string;
  /** The id in what is sealed. */
  readonly wireId: string;
  readonly conversation: Primary;
  readonly order: number;
  /** Sealed messages that are to be sent: 1 for a text; for a file its manifest and its chunks. */
  readonly parts: number;
  /** How many were sent, for the recipient and as a copy; of a file's chunks a few more may have been. */
  part: number;
  /** The recipient has this part; the copy is next. */
  copy: boolean;
  /** A text as it is sent, again and again the same, until it is too old and sealed anew. */
  sealed?: { readonly to: Primary; readonly envelope: Sealed; readonly copy: Sealed; readonly at: number };
  /** Waits for `retry`. */
  failed: boolean;
}

/** A message that was read: when it was sent. */
export interface SeenRow {
  /** By sender and the sender's id. */
  readonly id: string;
  /** Seconds. */
  readonly at: number;
}

export interface ChunkRow {
  /** The message that has the manifest. */
  readonly file: string;
  readonly n: number;
  readonly box: Uint8Array;
}

interface Schema extends DBSchema {
  state: { key: keyof State; value: State[keyof State] };
  conversations: { key: Primary; value: ConversationRow; indexes: { keys: Primary } };
  messages: {
    key: [Primary, number];
    value: MessageRow;
    indexes: { id: string; at: [number, Primary, number] };
  };
  arrived: { key: number; value: ArrivedRow; indexes: { counts: number } };
  outbox: { key: number; value: OutboxRow; indexes: { id: string } };
  seen: { key: string; value: SeenRow; indexes: { age: [number, string] } };
  chunks: { key: [string, number]; value: ChunkRow };
}

export type Database = IDBPDatabase<Schema>;
export type StoreName = StoreNames<Schema>;
export type Write<S extends StoreName[] = StoreName[]> = IDBPTransaction<Schema, S, 'readwrite'>;

/** All stores: a message that is filed may touch each. */
export const STORES = ['state', 'conversations', 'messages', 'arrived', 'outbox', 'seen', 'chunks'] as const;
export type Whole = IDBPTransaction<Schema, typeof STORES, 'readwrite'>;

const NAME = 'kez-chat';
const VERSION = 2;

/** Opens the database; `onClosed` when another window needs it in a newer form. Throws `no_storage`. */
export async function openDatabase(onClosed: () => void = () => {}, name = NAME): Promise<Database> {
  try {
    const db: Database = await openDB<Schema>(name, VERSION, {
      upgrade(db, from, _, tx) {
        if (from === 1) {
          tx.objectStore('arrived').createIndex('counts', 'counts');
          return;
        }
        db.createObjectStore('state');
        const conversations = db.createObjectStore('conversations', { keyPath: 'id' });
        conversations.createIndex('keys', 'keys', { multiEntry: true, unique: true });
        const messages = db.createObjectStore('messages', { keyPath: ['conversation', 'order'] });
        messages.createIndex('id', 'id', { unique: true });
        messages.createIndex('at', ['at', 'conversation', 'order']);
        const arrived = db.createObjectStore('arrived', { keyPath: 'n', autoIncrement: true });
        arrived.createIndex('counts', 'counts');
        db.createObjectStore('outbox', { keyPath: 'n', autoIncrement: true }).createIndex('id', 'id', {
          unique: true,
        });
        db.createObjectStore('seen', { keyPath: 'id' }).createIndex('age', ['at', 'id'], { unique: true });
        db.createObjectStore('chunks', { keyPath: ['file', 'n'] });
      },
      blocking() {
        db.close();
        onClosed();
      },
      terminated: onClosed,
    });
    return db;
  } catch (cause) {
    throw new ClientError('no_storage', { cause });
  }
}

/** A fact. */
export async function fact<K extends keyof State>(db: Database, name: K): Promise<State[K] | undefined> {
  return (await db.get('state', name)) as State[K] | undefined;
}

/** Keeps a fact. */
export async function keepFact<K extends keyof State>(db: Database, name: K, value: State[K]): Promise<void> {
  await db.put('state', value, name);
}

/** A transaction over everything, which is on the disk when it is done. */
export function whole(db: Database): Whole {
  return db.transaction(STORES, 'readwrite', { durability: 'strict' });
}

/** Takes back what a transaction did. */
export function abort(tx: { abort(): void; done: Promise<void> }): void {
  tx.done.catch(() => {});
  try {
    tx.abort();
  } catch {
    // It ended by itself.
  }
}

/** A conversation by any key that its peer had. */
export function conversationOf(tx: Whole, key: Primary): Promise<ConversationRow | undefined> {
  return tx.objectStore('conversations').index('keys').get(key);
}

/** All chunks of a file. */
export function allChunks(file: string): IDBKeyRange {
  return IDBKeyRange.bound([file], [file, []]);
}

/** Deletes everything. */
export async function clear(db: Database): Promise<void> {
  const tx = whole(db);
  for (const store of STORES) await tx.objectStore(store).clear();
  await tx.done;
}

/** Deletes everything but who the server is and how this device is set. */
export async function clearMail(tx: Whole): Promise<void> {
  const [, ...others] = STORES;
  for (const store of others) await tx.objectStore(store).clear();
  const state = tx.objectStore('state');
  for (const name of await state.getAllKeys()) {
    if (name !== 'server' && name !== 'settings') await state.delete(name);
  }
}
