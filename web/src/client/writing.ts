// What the person writes: it is in the outbox, on the disk, before anything else happens.

import { hex } from '../lib/bytes.ts';
import { keyOf } from '../lib/sealing/seen.ts';
import type { Primary } from '../lib/wire.ts';
import { rowOf } from './conversations.ts';
import type { Core } from './core.ts';
import { abort, type ChunkRow, whole } from './database.ts';
import { storageError } from './errors.ts';
import { readFile } from './files.ts';
import { appendMessage, type Content } from './messages.ts';

/** Puts a text into the outbox. */
export async function writeText(core: Core, to: Primary, text: string): Promise<void> {
  await write(core, to, newIds(core), { text });
}

/** Puts a file into the outbox, all of it or nothing. Throws `file_too_large`, `unknown_file`, `device_full`. */
export async function writeFile(core: Core, to: Primary, file: File): Promise<void> {
  const ids = newIds(core);
  const { history } = core.needKeys();
  const { manifest, chunks } = await readFile(history, ids.id, file);
  await write(core, to, ids, { file: manifest }, chunks);
}

interface Ids {
  readonly wireId: string;
  readonly id: string;
}

function newIds(core: Core): Ids {
  const wireId = hex(crypto.getRandomValues(new Uint8Array(16)));
  return { wireId, id: keyOf({ primary: core.needKeys().identity.primary, id: wireId }) };
}

async function write(
  core: Core,
  to: Primary,
  { wireId, id }: Ids,
  content: Content,
  chunks: readonly ChunkRow[] = [],
): Promise<void> {
  const { history } = core.needKeys();
  const tx = whole(core.db);
  try {
    for (const chunk of chunks) await tx.objectStore('chunks').add(chunk);
    const row = await rowOf(tx, history, to, core.domain);
    const message = { id, mine: true, at: Date.now(), state: 'sending' as const, content };
    const order = await appendMessage(tx, history, row, message);
    await tx.objectStore('outbox').add({
      id,
      wireId,
      conversation: row.id,
      order,
      parts: 1 + chunks.length,
      part: 0,
      copy: false,
      failed: false,
    });
    await tx.done;
    core.changed({ conversation: row.id, order });
    core.bus.tell({ type: 'outbox' });
  } catch (error) {
    abort(tx);
    throw storageError(error);
  }
}
