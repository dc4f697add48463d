// Files: a manifest and chunks, each an ordinary sealed message (docs/adr/0021).

import { sha256 } from '@noble/hashes/sha2.js';
import { hex, utf8 } from '../lib/bytes.ts';
import { openBox, sealBox } from './box.ts';
import type { ChunkRow, Database } from './database.ts';
import { ClientError } from './errors.ts';
import { CHUNK_BYTES, FILE_BYTES, FILE_NAME_BYTES } from './limits.ts';

/** What a file is, and the hash of each chunk. */
export interface Manifest {
  readonly name: string;
  /** A MIME type, as its sender names it. */
  readonly type: string;
  readonly size: number;
  /** SHA-256 of each chunk, in hex. All but the last chunk have `CHUNK_BYTES`. */
  readonly chunks: readonly string[];
}

/** Types that a browser shows without running anything that is in them. */
const SHOWN = /^image\/(png|jpeg|gif|webp|avif)$/;

/** A chunk as it rests. */
export function chunkRow(history: Uint8Array, id: string, n: number, data: Uint8Array): ChunkRow {
  return { file: id, n, box: sealBox(history, `chunk ${id} ${n}`, data) };
}

/** A file that is to be sent, and its chunks as they are to be stored. Throws `file_too_large`; of a file that is empty or can't be read `unknown_file`. */
export async function readFile(
  history: Uint8Array,
  id: string,
  file: File,
): Promise<{ manifest: Manifest; chunks: readonly ChunkRow[] }> {
  if (file.size > FILE_BYTES) throw new ClientError('file_too_large');
  if (file.size === 0) throw new ClientError('unknown_file');
  const hashes: string[] = [];
  const chunks: ChunkRow[] = [];
  for (let at = 0; at < file.size; at += CHUNK_BYTES) {
    const data = await file
      .slice(at, at + CHUNK_BYTES)
      .arrayBuffer()
      .catch((cause) => {
        throw new ClientError('unknown_file', { cause });
      });
    const bytes = new Uint8Array(data);
    chunks.push(chunkRow(history, id, chunks.length, bytes));
    hashes.push(hex(sha256(bytes)));
  }
  const name = shorten(file.name) || 'file';
  return { manifest: { name, type: shorten(file.type), size: file.size, chunks: hashes }, chunks };
}

/** The end of a name says what it is. */
function shorten(text: string): string {
  let short = text.toWellFormed();
  while (utf8(short).length > FILE_NAME_BYTES) short = [...short].slice(1).join('');
  return short;
}

/** The bytes of one chunk. Throws `file_incomplete`. */
export async function chunkOf(db: Database, history: Uint8Array, id: string, n: number): Promise<Uint8Array> {
  const row = await db.get('chunks', [id, n]);
  if (!row) throw new ClientError('file_incomplete');
  return openBox(history, `chunk ${id} ${n}`, row.box);
}

/** A whole file, each chunk checked again. Throws `file_incomplete`, `file_damaged`. */
export async function assemble(
  db: Database,
  history: Uint8Array,
  id: string,
  manifest: Manifest,
): Promise<Blob> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for (const [n, hash] of manifest.chunks.entries()) {
    const data = await chunkOf(db, history, id, n);
    if (hex(sha256(data)) !== hash) throw new ClientError('file_damaged');
    parts.push(Uint8Array.from(data));
  }
  const type = SHOWN.test(manifest.type) ? manifest.type : 'application/octet-stream';
  const blob = new Blob(parts, { type });
  if (blob.size !== manifest.size) throw new ClientError('file_damaged');
  return blob;
}
