// Searching what is on this device. It is in boxes, so every one is opened, the newest first.

import type { Primary } from '../lib/wire.ts';
import { breath } from './breath.ts';
import type { Core } from './core.ts';
import type { MessageRow } from './database.ts';
import { openContent } from './messages.ts';
import type { Hit } from './types.ts';

/** Messages that are read at once. */
const BATCH = 200;

type Place = [at: number, conversation: Primary, order: number];

/** Messages with every word of `text`, newest first. Capitals and accents make no difference. */
export async function* search(core: Core, text: string, stop: AbortSignal): AsyncGenerator<Hit> {
  const wanted = fold(text)
    .split(/\s+/)
    .filter((word) => word !== '');
  if (wanted.length === 0) return;
  const conversations = await core.db.getAll('conversations');
  const hidden = new Set(conversations.filter((row) => row.hidden).map(({ id }) => id));
  let before: Place | undefined;
  while (!stop.aborted) {
    const rows = await newest(core, before);
    const last = rows.at(-1);
    if (!last) return;
    before = [last.at, last.conversation, last.order];
    for (const row of rows) {
      if (stop.aborted || !core.keys) return;
      if (hidden.has(row.conversation)) continue;
      const content = openContent(core.keys.history, row);
      const said = 'text' in content ? content.text : 'file' in content ? content.file.name : '';
      const folded = fold(said);
      if (!wanted.every((word) => folded.includes(word))) continue;
      const { conversation, order, at, mine, error } = row;
      const refused = row.state === 'refused' && error !== undefined ? { error } : {};
      yield { conversation, order, at, mine, text: said, ...refused };
    }
    await breath();
  }
}

/** The messages before this one, by their time, the newest first. */
async function newest({ db }: Core, before: Place | undefined): Promise<MessageRow[]> {
  const range = before && IDBKeyRange.upperBound(before, true);
  const index = db.transaction('messages').store.index('at');
  const cursor = await index.openKeyCursor(range, 'prev');
  if (!cursor) return [];
  const last = cursor.key;
  const first = (await cursor.advance(BATCH - 1))?.key;
  // All at once is several times faster than one after another.
  const rows = await index.getAll(first ? IDBKeyRange.bound(first, last) : IDBKeyRange.upperBound(last));
  return rows.reverse();
}

/** Without capitals and accents. */
function fold(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}
