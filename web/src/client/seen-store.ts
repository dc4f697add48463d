// What was read before, by the rules of `Seen`, in the database: so it is stored together with the message, however many there are.

import type { SealedMessage } from '../lib/sealing/index.ts';
import { keyOf, Seen } from '../lib/sealing/seen.ts';
import type { SeenRow, SeenState, Whole } from './database.ts';

/** `again`: its sender sealed it anew, for want of an answer. `replay`: the very same statement a second time. */
export type Judgement = 'new' | 'again' | 'already_seen' | 'beyond_memory';

/** What is remembered of a message. */
export function memoryOf(message: Pick<SealedMessage, 'primary' | 'id' | 'sent_at'>): SeenRow {
  return { id: keyOf(message), at: Date.parse(message.sent_at) / 1000 };
}

/** Judges a message, and remembers it if it is new. */
export async function admit(tx: Whole, { id, at }: SeenRow): Promise<Judgement> {
  const seen = tx.objectStore('seen');
  const state = tx.objectStore('state');
  const known = await seen.get(id);
  if (known) {
    if (at <= known.at) return 'already_seen';
    await seen.put({ id, at });
    return 'again';
  }
  let { count, floor } = ((await state.get('seen')) as SeenState | undefined) ?? { count: 0 };
  if (floor !== undefined && at <= floor) return 'beyond_memory';
  await seen.add({ id, at });
  count += 1;
  let oldest = count > Seen.CAPACITY ? await seen.index('age').openCursor() : null;
  while (oldest && count > Seen.CAPACITY) {
    floor = Math.max(floor ?? 0, oldest.value.at);
    await oldest.delete();
    count -= 1;
    oldest = await oldest.continue();
  }
  await state.put(floor === undefined ? { count } : { count, floor }, 'seen');
  return 'new';
}
