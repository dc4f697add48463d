// Rows of messages, and what the pages see of them.

import { openJson, sealJson } from './box.ts';
import { openPreview, sealPreview } from './conversations.ts';
import type { ConversationRow, MessageRow, Whole } from './database.ts';
import type { Manifest } from './files.ts';
import { CHUNK_BYTES } from './limits.ts';
import { type Item, REPLAY } from './types.ts';

/** What is in a message's box. */
export type Content =
  | { readonly text: string }
  | { readonly file: Manifest }
  /** Something that later versions know. */
  | { readonly unknown: true }
  /** It failed its check, and nothing of it is known. */
  | { readonly nothing: true };

export function sealContent(history: Uint8Array, id: string, content: Content): Uint8Array {
  return sealJson(history, `message ${id}`, content);
}

export function openContent(history: Uint8Array, row: MessageRow): Content {
  return openJson<Content>(history, `message ${row.id}`, row.box);
}

/** A new message as it is put into a conversation. */
export type NewMessage = Omit<MessageRow, 'conversation' | 'order' | 'box'> & { readonly content: Content };

/** Puts a message at a conversation's end, and stores both. Returns its place. */
export async function appendMessage(
  tx: Whole,
  history: Uint8Array,
  row: ConversationRow,
  { content, ...message }: NewMessage,
): Promise<number> {
  const order = row.next;
  const box = sealContent(history, message.id, content);
  await tx.objectStore('messages').add({ ...message, conversation: row.id, order, box });
  row.next += 1;
  row.count += 1;
  if (message.error !== REPLAY) {
    row.lastAt = message.at;
    if (message.mine || !row.blocked) delete row.hidden;
    if (!message.mine && !row.blocked) row.unread += 1;
    preview(history, row, content);
  }
  await tx.objectStore('conversations').put(row);
  return order;
}

/** The line of the list says this from now on; nothing where no message is left. */
export function preview(history: Uint8Array, row: ConversationRow, content: Content | undefined): void {
  const { draft } = openPreview(history, row);
  const text = content && 'text' in content ? content.text.slice(0, 200).toWellFormed() : '';
  const file = content && 'file' in content ? { file: content.file.name } : {};
  row.box = sealPreview(history, row.id, { text, draft, ...file });
}

/** As the pages see it. */
export function itemOf(history: Uint8Array, row: MessageRow): Item {
  const { order, id, mine, at, state, error } = row;
  const content = openContent(history, row);
  const base = { order, id, mine, at, state, ...(error === undefined ? {} : { error }) };
  if ('text' in content) return { ...base, text: content.text };
  if ('unknown' in content) return { ...base, unknown: true };
  if ('file' in content) {
    const { name, type, size } = content.file;
    const done = Math.min(size, (row.done ?? 0) * CHUNK_BYTES);
    return { ...base, file: { name, type, size, done } };
  }
  return base;
}
