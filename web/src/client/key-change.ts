// A peer's key changed: what becomes of their conversation.

import { KezError } from '../lib/error.ts';
import { KeyChanged } from '../lib/sealing/key-changed.ts';
import type { Primary } from '../lib/wire.ts';
import type { Change } from './bus.ts';
import { changeRow, newRow, openPreview, sealPreview, storeRow } from './conversations.ts';
import type { Core } from './core.ts';
import { type ConversationRow, type Whole, whole } from './database.ts';
import { ClientError, codeOf } from './errors.ts';
import { type Addressee, peersOf } from './peers.ts';
import { REFUSED } from './types.ts';

/** The handle has another key, and nothing proves the change: nothing is sent until the person decides. */
export async function warnOfKey(core: Core, id: Primary, to: Primary): Promise<void> {
  await changeRow(core.db, id, (row) => {
    row.keyChange = { to, proven: false };
    row.verified = false;
  });
  core.changed({ conversation: id });
}

/** The peer goes on under another key, as their identity log proves: the conversation does, too, and says so. */
export async function moveTo(core: Core, id: Primary, to: Primary): Promise<void> {
  await join(core, id, to, { to, proven: true });
}

/**
 * The person has seen the notice about the key `to`, and where nothing proved the change, takes it for the peer's. Throws `key_changed_again` where the notice is
 * about another key by now.
 */
export async function acceptKey(core: Core, id: Primary, to: Primary): Promise<void> {
  const row = await join(core, id, to, undefined);
  if (row?.handle !== undefined) await peersOf(core).pin(row.handle, to);
  peersOf(core).forget();
}

/** Whether the server still names the key that is written to, so that the person knows before they write. Where it is away, sending finds out. */
export async function checkKey(core: Core, key: Primary): Promise<void> {
  const row = await core.conversation(key);
  if (!row || row.id === REFUSED) return;
  try {
    const { primary } = await peersOf(core).recordOf(row);
    if (row.keyChange?.to === primary) return;
    if (primary === row.primary) {
      if (row.keyChange?.proven === false) await forgetWarning(core, row.id);
    } else if (await peersOf(core).proves(row.primary, primary)) {
      await moveTo(core, row.id, primary);
    } else {
      await warnOfKey(core, row.id, primary);
    }
  } catch (error) {
    // Locked meanwhile, it is looked at when it is opened again.
    if (!(error instanceof KezError) && codeOf(error) !== 'locked') throw error;
  }
}

/** The handle has the known key again. */
async function forgetWarning(core: Core, id: Primary): Promise<void> {
  await changeRow(core.db, id, (row) => {
    delete row.keyChange;
  });
  core.changed({ conversation: id });
}

/** Who is meant by what a person typed; as `Peers.find`. Of a handle whose key changed, and nothing proves it, it is who was known: their conversation has the notice. */
export async function findPeer(core: Core, text: string): Promise<Addressee> {
  try {
    const record = await peersOf(core).find(text);
    await followKey(core, record);
    return record;
  } catch (error) {
    if (!(error instanceof KeyChanged)) throw error;
    const handle = error.handle.split('@')[0] as string;
    const row = newRow(core.needKeys().history, error.pinned, core.domain);
    await storeRow(core.db, { ...row, handle });
    const known = await core.conversation(error.pinned);
    if (known) await warnOfKey(core, known.id, error.offered);
    return { handle, primary: error.pinned };
  }
}

/** A known handle whose key is proven to be another one now. */
async function followKey(core: Core, { handle, primary }: Addressee): Promise<void> {
  const pinned = await peersOf(core).pinned(handle);
  const row = pinned === undefined || pinned === primary ? undefined : await core.conversation(pinned);
  if (row && !row.keys.includes(primary)) await moveTo(core, row.id, primary);
}

/**
 * Gives a conversation another key, with a notice; without one the notice that there is must be about this key, and is over. If there is a conversation under that
 * key already, its messages come along.
 */
async function join(
  core: Core,
  id: Primary,
  to: Primary,
  notice: { to: Primary; proven: boolean } | undefined,
): Promise<ConversationRow | undefined> {
  const tx = whole(core.db);
  const conversations = tx.objectStore('conversations');
  const row = await conversations.get(id);
  const other = await conversations.index('keys').get(to);
  const changes: Change[] = [{ conversation: id }];
  const noticed = row?.keyChange?.to ?? row?.primary;
  if (row && !notice && noticed !== to) throw new ClientError('key_changed_again');
  if (row) {
    if (other && other.id !== id) {
      changes.push({ conversation: other.id });
      const first = row.next;
      await moveMessages(tx, core, other, row);
      for (let order = first; order < row.next; order++) changes.push({ conversation: id, order });
    }
    row.primary = to;
    if (!row.keys.includes(to)) row.keys = [...row.keys, to];
    const compared = other?.primary === to && other.verified;
    row.verified = compared || (!notice && row.verified);
    if (notice) row.keyChange = notice;
    else delete row.keyChange;
    await conversations.put(row);
  }
  await tx.done;
  core.changed(...changes);
  return row;
}

async function moveMessages(
  tx: Whole,
  core: Core,
  from: ConversationRow,
  into: ConversationRow,
): Promise<void> {
  const { history } = core.needKeys();
  const range = IDBKeyRange.bound([from.id], [from.id, []]);
  const messages = tx.objectStore('messages');
  const outbox = tx.objectStore('outbox');
  let cursor = await messages.openCursor(range);
  while (cursor) {
    const message = cursor.value;
    await cursor.delete();
    const order = into.next;
    await messages.add({ ...message, conversation: into.id, order });
    const waiting = await outbox.index('id').get(message.id);
    if (waiting) await outbox.put({ ...waiting, conversation: into.id, order });
    into.next += 1;
    into.count += 1;
    cursor = await cursor.continue();
  }
  if (from.lastAt > 0) {
    const { draft } = openPreview(history, into);
    into.box = sealPreview(history, into.id, { ...openPreview(history, from), draft });
  }
  into.lastAt = Math.max(into.lastAt, from.lastAt);
  if (!into.blocked && !from.hidden) delete into.hidden;
  into.blocked ||= from.blocked;
  into.unread = into.blocked ? 0 : into.unread + from.unread;
  into.keys = [...new Set([...into.keys, ...from.keys])];
  await tx.objectStore('conversations').delete(from.id);
}

/** Finds the handles that couldn't be found before. */
export async function introduceAll(core: Core): Promise<void> {
  const rows = await core.db.getAll('conversations');
  for (const row of rows) {
    if (row.handle === undefined && row.id !== REFUSED) await introduce(core, row.primary);
  }
}

/** Finds the handle of somebody who wrote for the first time; and whether they are an old acquaintance with another key. */
export async function introduce(core: Core, primary: Primary): Promise<void> {
  let handle: string;
  try {
    handle = (await peersOf(core).byKey(primary)).handle;
  } catch (error) {
    // Without a handle they are shown by their key.
    if (error instanceof KezError) return;
    throw error;
  }
  const row = await core.conversation(primary);
  if (!row) return;
  const rows = await core.db.getAll('conversations');
  const known = rows.find((other) => other.handle === handle && other.id !== row.id);
  if (!known) {
    await changeRow(core.db, row.id, (row) => {
      row.handle = handle;
    });
    core.changed({ conversation: row.id });
  } else if (await peersOf(core).proves(known.primary, primary)) {
    await moveTo(core, known.id, primary);
  } else {
    await warnOfKey(core, known.id, primary);
  }
}
