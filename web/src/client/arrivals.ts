// Mail that came: first it is stored as it is, together with the place in the inbox; then, if somebody is unlocked, it is opened and filed. Whatever is cut
// between, nothing is lost and nothing is twice.

import { Opener, type SealedMessage } from '../lib/sealing/index.ts';
import { timestamp } from '../lib/timestamp.ts';
import type { Message } from '../lib/wire.ts';
import { breath } from './breath.ts';
import type { ArrivedRow, Database, Place, SeenRow } from './database.ts';
import { abort, whole } from './database.ts';
import { codeOf, isStorageError } from './errors.ts';
import { isChunkLong } from './file-messages.ts';
import { type Filed, fileMessage, fileRefusal } from './filing.ts';
import { admit } from './seen-store.ts';
import type { Keys } from './vault.ts';

/** One's own copies whose contents are here already, by their `enc`. */
export type Copies = Map<string, SeenRow>;

/** How much mail was new, and how many of it count as unread while nobody can open it. */
export interface Stored {
  readonly messages: number;
  readonly counted: number;
}

/** Messages that are opened before they are stored and shown. */
const BATCH = 16;

/** Stores mail of one epoch, in order, and the place behind it. */
export async function storeArrived(
  db: Database,
  epoch: string,
  messages: readonly Message[],
  copies: Copies = new Map(),
): Promise<Stored> {
  const tx = db.transaction(['state', 'arrived'], 'readwrite', { durability: 'strict' });
  const state = tx.objectStore('state');
  const place = (await state.get('place')) as Place | undefined;
  const same = place?.epoch === undefined || place.epoch === epoch;
  let seq = place?.seq ?? 0;
  let stored = 0;
  let counted = 0;
  // Mail of another epoch is told by a resync first.
  for (const message of same ? messages : []) {
    if (message.seq <= seq) continue;
    const again = place?.again !== undefined && message.created_at <= place.again;
    // As far as can be told of what is sealed.
    const counts = !again && !copies.has(encOf(message)) && !isChunkLong(message.envelope);
    await tx.objectStore('arrived').add({ message, again, ...(counts ? { counts: 1 } : {}) });
    seq = message.seq;
    stored += 1;
    if (counts) counted += 1;
  }
  if (stored > 0) await state.put({ ...place, seq, epoch }, 'place');
  await tx.done;
  return { messages: stored, counted };
}

/** The server's mail was restored from a backup: it comes from the start, and most of it again. */
export async function startOver(db: Database, epoch: string): Promise<void> {
  // A server's clock may be a little ahead.
  const again = timestamp(new Date(Date.now() + 60_000));
  await db.put('state', { seq: 0, epoch, again }, 'place');
}

/** Opens what waits, a batch at a time; calls back after each, when it is stored. `copies` needn't be opened, and are taken out. */
export async function openArrived(
  db: Database,
  keys: Keys,
  server: string,
  filed: (batch: readonly Filed[]) => void,
  stopped: () => boolean,
  copies: Copies = new Map(),
): Promise<void> {
  const opener = new Opener(keys.identity, keys.earlier);
  while (!stopped()) {
    const rows = await db.getAll('arrived', undefined, BATCH);
    if (rows.length === 0) return;
    const opened: Opened[] = [];
    for (const row of rows) {
      const enc = encOf(row.message);
      const copy = copies.get(enc);
      copies.delete(enc);
      opened.push(copy ? { row, copy } : await open(opener, row));
      // Each takes milliseconds of the one thread that also draws.
      await breath();
    }
    if (stopped()) return;
    const file = (some: readonly Opened[]) => fileAll(db, keys, server, opener, some);
    try {
      filed(await file(opened));
    } catch (error) {
      if (isStorageError(error)) throw error;
      // One by one, so that none holds up the others.
      for (const one of opened) filed(await fileAlone(file, one));
    }
  }
}

interface Opened {
  readonly row: ArrivedRow;
  readonly copy?: SeenRow;
  readonly message?: SealedMessage;
  /** The code of why it isn't taken. */
  readonly refused?: string;
}

type Filing = (opened: readonly Opened[]) => Promise<readonly Filed[]>;

/** Files what was opened, within one transaction. */
async function fileAll(
  db: Database,
  keys: Keys,
  server: string,
  opener: Opener,
  opened: readonly Opened[],
): Promise<readonly Filed[]> {
  const tx = whole(db);
  const done: Filed[] = [];
  try {
    for (const { row, copy, message, refused } of opened) {
      // Another window was faster.
      if ((await tx.objectStore('arrived').getKey(row.n as number)) === undefined) continue;
      if (copy) await admit(tx, copy);
      const result = message
        ? await fileMessage(tx, keys, server, message, opener.isOwn(message.primary), row.again)
        : refused && (await fileRefusal(tx, keys, row, refused));
      if (result) done.push(result);
      await tx.objectStore('arrived').delete(row.n as number);
    }
    await tx.done;
  } catch (error) {
    abort(tx);
    throw error;
  }
  return done;
}

/** Files one; if it can't be filed, as refused. */
async function fileAlone(file: Filing, one: Opened): Promise<readonly Filed[]> {
  try {
    return await file([one]);
  } catch (error) {
    if (isStorageError(error)) throw error;
    return file([{ row: one.row, refused: codeOf(error) }]);
  }
}

function encOf({ envelope }: Message): string {
  return String(envelope?.enc);
}

async function open(opener: Opener, row: ArrivedRow): Promise<Opened> {
  const { envelope, created_at } = row.message;
  try {
    return { row, message: await opener.open(envelope, created_at) };
  } catch (error) {
    return { row, refused: codeOf(error) };
  }
}
