// The messages that a file is sent as: a manifest and chunks (docs/adr/0021).

import { sha256 } from '@noble/hashes/sha2.js';
import { base64url, fromBase64url, hex, utf8 } from '../lib/bytes.ts';
import type { Body } from '../lib/sealing/index.ts';
import { paddedLength } from '../lib/sealing/padding.ts';
import { keyOf } from '../lib/sealing/seen.ts';
import { isObject } from '../lib/verify.ts';
import type { Message, Primary } from '../lib/wire.ts';
import type { Whole } from './database.ts';
import { chunkRow, type Manifest } from './files.ts';
import { CHUNK_BYTES, FILE_BYTES, FILE_NAME_BYTES } from './limits.ts';
import { openContent } from './messages.ts';

/** A part of a file. */
export interface Chunk {
  /** The id of the manifest's message, by the same sender. */
  readonly file: string;
  readonly n: number;
  readonly data: Uint8Array;
}

const HEX32 = /^[0-9a-f]{32}$/;
const HEX64 = /^[0-9a-f]{64}$/;
/** What isn't seen in a name, and could make it look as if it ended otherwise. */
const UNSEEN = /[\p{Cc}\p{Bidi_C}]/gu;

/** The manifest in a message's body; undefined if there is none, or a wrong one. */
export function readManifest(body: Body): Manifest | undefined {
  const file = 'other' in body && isObject(body.other) ? body.other.file : undefined;
  if (!isObject(file)) return undefined;
  const { name, type, size, chunks } = file;
  const texts = isText(name) && name !== '' && isText(type);
  const sized = Number.isSafeInteger(size) && (size as number) > 0 && (size as number) <= FILE_BYTES;
  if (!texts || !sized || !Array.isArray(chunks)) return undefined;
  const hashes = chunks.every((hash) => typeof hash === 'string' && HEX64.test(hash));
  if (!hashes || chunks.length !== Math.ceil((size as number) / CHUNK_BYTES)) return undefined;
  return { name: name.replace(UNSEEN, '') || 'file', type, size: size as number, chunks };
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && utf8(value).length <= FILE_NAME_BYTES;
}

/** The chunk in a message's body; undefined if there is none. */
export function readChunk(body: Body): Chunk | undefined {
  const chunk = 'other' in body && isObject(body.other) ? body.other.chunk : undefined;
  if (!isObject(chunk)) return undefined;
  const { file, n } = chunk;
  const data = typeof chunk.data === 'string' ? fromBase64url(chunk.data) : undefined;
  if (typeof file !== 'string' || !HEX32.test(file) || !Number.isSafeInteger(n) || !data) return undefined;
  return { file, n: n as number, data };
}

export function manifestBody(manifest: Manifest): Body {
  return { other: { file: manifest } };
}

export function chunkBody({ file, n, data }: Chunk): Body {
  return { other: { chunk: { file, n, data: base64url(data) } } };
}

/** The id of a chunk's message: always the same, so that a chunk that is sent again after an interruption isn't taken twice. */
export function chunkId(file: string, n: number): string {
  return hex(sha256(utf8(`${file}:${n}`)).subarray(0, 16));
}

/** Characters of the `ct` that a whole chunk has: base64url of what is padded, and a tag of 16 bytes. */
const CHUNK_CT = Math.ceil((((paddedLength((CHUNK_BYTES * 4) / 3) ?? 0) + 16) * 4) / 3);

/** Whether what is sealed is as long as a whole chunk is, which no ordinary message is. */
export function isChunkLong(envelope: Message['envelope']): boolean {
  return typeof envelope.ct === 'string' && envelope.ct.length >= CHUNK_CT;
}

/** Stores a chunk that came, if its file's manifest is here and names it. Returns where its file is. */
export async function storeChunk(
  tx: Whole,
  history: Uint8Array,
  sender: Primary,
  { file, n, data }: Chunk,
): Promise<{ conversation: Primary; order: number } | undefined> {
  const messages = tx.objectStore('messages');
  const id = keyOf({ primary: sender, id: file });
  const row = await messages.index('id').get(id);
  const content = row && openContent(history, row);
  if (!row || !content || !('file' in content)) return undefined;
  if (content.file.chunks[n] !== hex(sha256(data))) return undefined;
  if ((await tx.objectStore('chunks').getKey([id, n])) !== undefined) return undefined;
  await tx.objectStore('chunks').add(chunkRow(history, id, n, data));
  await messages.put({ ...row, done: (row.done ?? 0) + 1 });
  return { conversation: row.conversation, order: row.order };
}
