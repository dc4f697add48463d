// A device for unit tests: a real database in memory, and somebody who is unlocked on it.

import 'fake-indexeddb/auto';
import { Identity } from '../lib/identity.ts';
import { compose, type SealedMessage, seal } from '../lib/sealing/index.ts';
import type { Body } from '../lib/sealing/message.ts';
import type { Message } from '../lib/wire.ts';
import { openArrived, storeArrived } from './arrivals.ts';
import { Bus } from './bus.ts';
import { Core } from './core.ts';
import { type ConversationRow, openDatabase } from './database.ts';
import type { Filed } from './filing.ts';
import { itemOf } from './messages.ts';
import type { Item } from './types.ts';
import type { Keys } from './vault.ts';

export const SERVER = 'chat.test';
export const EPOCH = 'e1';

let devices = 0;

export interface Device {
  readonly core: Core;
  readonly keys: Keys;
  readonly me: Identity;
  /** Stores and opens mail. */
  take(...messages: readonly Message[]): Promise<readonly Filed[]>;
  /** Opens what waits. */
  open(): Promise<readonly Filed[]>;
  conversation(peer: Identity): Promise<ConversationRow | undefined>;
  items(id: string): Promise<readonly Item[]>;
}

export async function device(me = Identity.generate()): Promise<Device> {
  devices += 1;
  const db = await openDatabase(undefined, `device ${devices}`);
  const core = new Core(db, new Bus(`device ${devices}`));
  const history = crypto.getRandomValues(new Uint8Array(32));
  const secrets = { seed: new Uint8Array(32), historyKey: history, twelve: undefined, earlier: [] };
  const keys: Keys = { identity: me, earlier: [], history, secrets };
  core.keys = keys;
  core.account = { handle: 'me', server: SERVER, primary: me.primary };
  const open = async () => {
    const filed: Filed[] = [];
    await openArrived(
      db,
      keys,
      SERVER,
      (batch) => filed.push(...batch),
      () => false,
      core.ownCopies,
    );
    core.changed(...filed);
    return filed;
  };
  return {
    core,
    keys,
    me,
    open,
    async take(...messages) {
      await storeArrived(db, EPOCH, messages);
      return open();
    },
    conversation: (peer) => core.conversation(peer.primary),
    async items(id) {
      const rows = await db.getAll('messages', IDBKeyRange.bound([id], [id, []]));
      return rows.map((row) => itemOf(history, row));
    },
  };
}

/** A message as the server would have it at this place. */
export async function mail(seq: number, from: Identity, to: Identity, body: string | Body): Promise<Message> {
  return sealedMail(seq, from, compose(from, to.primary, body));
}

export async function sealedMail(seq: number, from: Identity, message: SealedMessage): Promise<Message> {
  const envelope = (await seal(from, message)) as unknown as Message['envelope'];
  return { seq, created_at: message.sent_at, envelope };
}
