// Where a message that was opened belongs. All within one transaction.

import type { SealedMessage } from '../lib/sealing/index.ts';
import { millis } from '../lib/timestamp.ts';
import type { Primary } from '../lib/wire.ts';
import { newRow, rowOf } from './conversations.ts';
import { type ArrivedRow, conversationOf, type Whole } from './database.ts';
import { readChunk, readManifest, storeChunk } from './file-messages.ts';
import { appendMessage, type Content } from './messages.ts';
import { admit, memoryOf } from './seen-store.ts';
import { REFUSED, REPLAY } from './types.ts';
import type { Keys } from './vault.ts';

/** What a message changed. */
export interface Filed {
  readonly conversation: Primary;
  readonly order: number;
  /** For a notification: somebody else's message that wasn't here. */
  readonly news: boolean;
  /** Whose key has no conversation yet, and so no handle. */
  readonly stranger: Primary | undefined;
}

/** Files a message that was opened; nothing where it is here already. `mine`: it is one's own, as of another device or key; `again`: the server serves everything a second time. */
export async function fileMessage(
  tx: Whole,
  keys: Keys,
  server: string,
  message: SealedMessage,
  mine: boolean,
  again: boolean,
): Promise<Filed | undefined> {
  const { history } = keys;
  const peer = mine ? message.to : message.primary;
  const memory = memoryOf(message);
  const { id } = memory;
  const judgement = await admit(tx, memory);
  const chunk = readChunk(message.body);
  if (chunk) {
    const place = judgement === 'new' ? await storeChunk(tx, history, message.primary, chunk) : undefined;
    return place && { ...place, news: false, stranger: undefined };
  }
  if (judgement === 'again' || (judgement !== 'new' && again)) return undefined;
  const known = await tx.objectStore('messages').index('id').getKey(id);
  // One's own copy of what was sent from here, or what the memory forgot.
  if (known && judgement === 'new') return undefined;
  const row = await rowOf(tx, history, peer, server);
  const stranger = row.count === 0 && row.handle === undefined ? peer : undefined;
  // What is too old to be remembered, and is here, is a replay, too.
  const error = judgement === 'new' ? undefined : known ? REPLAY : judgement;
  const order = await appendMessage(tx, history, row, {
    // A replay has its message's id.
    id: error ? crypto.randomUUID() : id,
    mine,
    at: Date.parse(message.sent_at),
    state: error ? 'refused' : mine ? 'stored' : 'received',
    ...(error ? { error } : {}),
    content: contentOf(message.body),
  });
  return { conversation: row.id, order, news: !mine && !row.blocked && error !== REPLAY, stranger };
}

function contentOf(body: SealedMessage['body']): Content {
  if ('text' in body) return { text: body.text };
  const file = readManifest(body);
  return file ? { file } : { unknown: true };
}

/** Shows that something came which failed a check, and which, by its code. */
export async function fileRefusal(
  tx: Whole,
  keys: Keys,
  { message }: ArrivedRow,
  code: string,
): Promise<Filed> {
  const row = (await conversationOf(tx, REFUSED)) ?? newRow(keys.history, REFUSED, '');
  const order = await appendMessage(tx, keys.history, row, {
    id: crypto.randomUUID(),
    mine: false,
    at: millis(message.created_at) ?? Date.now(),
    state: 'refused',
    error: code,
    content: { nothing: true },
  });
  return { conversation: REFUSED, order, news: true, stranger: undefined };
}
