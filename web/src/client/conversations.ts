// Rows of conversations, and what the pages see of them.

import type { Primary } from '../lib/wire.ts';
import { openJson, sealJson } from './box.ts';
import {
  allChunks,
  type ConversationRow,
  conversationOf,
  type Database,
  type Whole,
  whole,
} from './database.ts';
import type { Conversation } from './types.ts';

/** What is in a conversation's box. */
export interface Preview {
  readonly text: string;
  readonly file?: string;
  readonly draft: string;
}

/** A row for somebody new. */
export function newRow(history: Uint8Array, primary: Primary, server: string): ConversationRow {
  return {
    id: primary,
    primary,
    keys: [primary],
    server,
    verified: false,
    blocked: false,
    lastAt: 0,
    unread: 0,
    count: 0,
    next: 0,
    box: sealPreview(history, primary, { text: '', draft: '' }),
  };
}

/** The row of a peer's key, or a new one, not yet stored. */
export async function rowOf(
  tx: Whole,
  history: Uint8Array,
  key: Primary,
  server: string,
): Promise<ConversationRow> {
  return (await conversationOf(tx, key)) ?? newRow(history, key, server);
}

export function openPreview(history: Uint8Array, row: ConversationRow): Preview {
  return openJson<Preview>(history, `conversation ${row.id}`, row.box);
}

export function sealPreview(history: Uint8Array, id: Primary, preview: Preview): Uint8Array {
  return sealJson(history, `conversation ${id}`, preview);
}

/** As the pages see it. */
export function viewOf(history: Uint8Array, row: ConversationRow): Conversation {
  const { text, file, draft } = openPreview(history, row);
  const { id, primary, handle, server, verified, blocked, keyChange, lastAt, unread } = row;
  return {
    id,
    primary,
    handle,
    server,
    verified,
    blocked,
    keyChange,
    lastAt,
    unread,
    lastText: text,
    ...(file === undefined ? {} : { lastFile: file }),
    draft,
  };
}

/** Changes a row if it is there; says whether. */
export async function changeRow(
  db: Database,
  id: Primary,
  change: (row: ConversationRow) => void,
): Promise<boolean> {
  const tx = db.transaction('conversations', 'readwrite');
  const row = await tx.store.get(id);
  if (row) {
    change(row);
    await tx.store.put(row);
  }
  await tx.done;
  return row !== undefined;
}

/** Stores the row of somebody to whom nothing was written yet, unless there is one; one that is hidden is listed again. */
export async function storeRow(db: Database, row: ConversationRow): Promise<void> {
  const tx = db.transaction('conversations', 'readwrite');
  const known = await tx.store.index('keys').get(row.primary);
  if (known?.hidden && !known.blocked) {
    delete known.hidden;
    await tx.store.put(known);
  }
  if (!known) await tx.store.add(row);
  await tx.done;
}

/** Deletes a conversation with all that belongs to it; of a peer who is blocked or verified an empty row stays, hidden. Returns its id. */
export async function deleteConversation(
  db: Database,
  history: Uint8Array,
  key: Primary,
): Promise<Primary | undefined> {
  const tx = whole(db);
  const row = await conversationOf(tx, key);
  if (row) {
    const outbox = tx.objectStore('outbox');
    let cursor = await tx.objectStore('messages').openCursor(IDBKeyRange.bound([row.id], [row.id, []]));
    while (cursor) {
      const { id } = cursor.value;
      await tx.objectStore('chunks').delete(allChunks(id));
      const waiting = await outbox.index('id').getKey(id);
      if (waiting !== undefined) await outbox.delete(waiting);
      await cursor.delete();
      cursor = await cursor.continue();
    }
    const conversations = tx.objectStore('conversations');
    if (row.blocked || row.verified) {
      const box = sealPreview(history, row.id, { text: '', draft: '' });
      await conversations.put({ ...row, hidden: true, lastAt: 0, unread: 0, count: 0, next: 0, box });
    } else {
      await conversations.delete(row.id);
    }
  }
  await tx.done;
  return row?.id;
}
