// What the person writes: it is in the outbox, on the disk, before anything else happens.

import { hex } from '../lib/bytes.ts';
import { keyOf } from '../lib/sealing/seen.ts';
import type { Primary } from '../lib/wire.ts';
import { rowOf } from './conversations.ts';
import type { Core } from './core.ts';
import { allChunks, whole } from './database.ts';
import { storageError } from './errors.ts';
import { keepFile } from './files.ts';
import { appendMessage, type Content } from './messages.ts';

/** Puts a text into the outbox. */
export async function writeText(core: Core, to: Primary, text: string): Promise<void> {
  const { wireId, id } = newIds(core);
  await write(core, to, wireId, id, { text }, 1);
}

/** Puts a file into the outbox. Throws `file_too_large`, `unknown_file`, `device_full`. */
export async function writeFile(core: Core, to: Primary, file: File): Promise<void> {
  const { wireId, id } = newIds(core);
  const { history } = core.needKeys();
  try {
    const manifest = await keepFile(core.db, history, id, file);
    await write(core, to, wireId, id, { file: manifest }, 1 + manifest.chunks.length);
  } catch (error) {
    await core.db.delete('chunks', allChunks(id)).catch(() => {});
    throw storageError(error);
  }
}

function newIds(core: Core): { wireId: string; id: string } {
  const wireId = hex(crypto.getRandomValues(new Uint8Array(16)));
  return { wireId, id: keyOf({ primary: core.needKeys().identity.primary, id: wireId }) };
}

async function write(
  core: Core,
  to: Primary,
  wireId: string,
  id: string,
  content: Content,
  parts: number,
): Promise<void> {
  const { history } = core.needKeys();
  const tx = whole(core.db);
  try {
    const row = await rowOf(tx, history, to, core.domain);
    const message = { id, mine: true, at: Date.now(), state: 'sending' as const, content };
    const order = await appendMessage(tx, history, row, message);
    await tx.objectStore('outbox').add({
      id,
      wireId,
      conversation: row.id,
      order,
      parts,
      part: 0,
      copy: false,
      failed: false,
    });
    await tx.done;
    core.changed({ conversation: row.id, order });
    core.bus.tell({ type: 'outbox' });
  } catch (error) {
    tx.done.catch(() => {});
    throw storageError(error);
  }
}
