// A file is taken as it was announced, or not at all.

import { sha256 } from '@noble/hashes/sha2.js';
import { expect, test, vi } from 'vitest';
import { hex } from '../lib/bytes.ts';
import { Identity } from '../lib/identity.ts';
import { compose } from '../lib/sealing/index.ts';
import { keyOf } from '../lib/sealing/seen.ts';
import { chunkBody, chunkId, manifestBody, readChunk, readManifest } from './file-messages.ts';
import { assemble, type Manifest } from './files.ts';
import { CHUNK_BYTES, FILE_BYTES } from './limits.ts';
import { type Device, device, sealedMail } from './test-device.ts';
import { writeFile } from './writing.ts';

const alice = Identity.generate();
const bytes = new Uint8Array(CHUNK_BYTES + 10).map((_, n) => n * 3);
const parts = [bytes.slice(0, CHUNK_BYTES), bytes.slice(CHUNK_BYTES)] as const;
const manifest: Manifest = {
  name: 'cat.png',
  type: 'image/png',
  size: bytes.length,
  chunks: parts.map((part) => hex(sha256(part))),
};

/** Mail of a file: its manifest, and these chunks. */
async function fileMail(phone: Device, chunks: readonly [n: number, data: Uint8Array][], sender = alice) {
  const first = compose(sender, phone.me.primary, manifestBody(manifest));
  const rest = chunks.map(([n, data]) => ({
    ...compose(sender, phone.me.primary, chunkBody({ file: first.id, n, data })),
    id: chunkId(first.id, n),
  }));
  const mail = await Promise.all([first, ...rest].map((message, n) => sealedMail(n + 1, sender, message)));
  return { id: keyOf(first), wireId: first.id, mail };
}

test('chunks come in any order, and the file is whole', async () => {
  const phone = await device();
  const { id, mail } = await fileMail(phone, [
    [1, parts[1]],
    [0, parts[0]],
  ]);
  await phone.take(...mail.slice(0, 2));
  const done = async () => (await phone.items(alice.primary)).map(({ file }) => file?.done);
  expect(await done()).toEqual([CHUNK_BYTES]);
  const { db } = phone.core;
  const incomplete = assemble(db, phone.keys.history, id, manifest);
  await expect(incomplete).rejects.toMatchObject({ code: 'file_incomplete' });
  await phone.take(...mail.slice(2));
  expect(await done()).toEqual([bytes.length]);
  const blob = await assemble(db, phone.keys.history, id, manifest);
  expect([blob.type, new Uint8Array(await blob.arrayBuffer())]).toEqual(['image/png', bytes]);
  const page = await assemble(db, phone.keys.history, id, { ...manifest, type: 'text/html' });
  expect(page.type).toBe('application/octet-stream');
});

test('a chunk that nobody announced is passed over', async () => {
  const phone = await device();
  const { id, wireId, mail } = await fileMail(phone, [
    [0, parts[1]],
    [2, parts[0]],
  ]);
  const carol = Identity.generate();
  const foreign = compose(carol, phone.me.primary, chunkBody({ file: wireId, n: 0, data: parts[0] }));
  const orphan = compose(alice, phone.me.primary, chunkBody({ file: '00'.repeat(16), n: 0, data: parts[0] }));
  await phone.take(...mail, await sealedMail(4, carol, foreign), await sealedMail(5, alice, orphan));
  expect(await phone.core.db.count('chunks')).toBe(0);
  expect((await phone.items(alice.primary)).map((item) => [item.id, item.file?.done])).toEqual([[id, 0]]);
  expect(await phone.conversation(carol)).toBeUndefined();
});

test('a manifest has one form', () => {
  expect(readManifest(manifestBody(manifest))).toEqual(manifest);
  const wrong: object[] = [
    { size: 0, chunks: [] },
    { size: FILE_BYTES + 1 },
    { size: 1.5 },
    { name: '' },
    { name: 'x'.repeat(256) },
    { type: undefined },
    { chunks: manifest.chunks.slice(1) },
    { chunks: ['x', 'y'] },
    { size: 2 * CHUNK_BYTES + 1 },
  ];
  for (const change of wrong) {
    expect(
      readManifest({ other: { file: { ...manifest, ...change } } }),
      JSON.stringify(change),
    ).toBeUndefined();
  }
  expect(readManifest({ text: 'x' })).toBeUndefined();
  const disguised = manifestBody({ ...manifest, name: 'photo\u202egnp.exe' });
  expect(readManifest(disguised)?.name).toBe('photognp.exe');
  expect(readChunk({ other: { chunk: { file: '00'.repeat(16), n: -0.5, data: 'AA' } } })).toBeUndefined();
  expect(readChunk({ other: { chunk: { file: '00'.repeat(16), n: 0, data: 'A=' } } })).toBeUndefined();
});

test('a file is there with its message, or not at all', async () => {
  const phone = await device();
  const { db } = phone.core;
  let halves = 0;
  let over = false;
  const look = async () => {
    while (!over) {
      const tx = db.transaction(['chunks', 'messages']);
      const [chunks, messages] = await Promise.all([
        tx.objectStore('chunks').count(),
        tx.objectStore('messages').count(),
      ]);
      if (chunks !== 3 * messages) halves += 1;
      await new Promise((resolve) => setTimeout(resolve));
    }
  };
  const looking = look();
  const file = new File([bytes, bytes], 'twice');
  await writeFile(phone.core, alice.primary, file);
  // The device is full in the middle.
  const put = IDBObjectStore.prototype.add;
  const add = vi.spyOn(IDBObjectStore.prototype, 'add').mockImplementation(function (
    this: IDBObjectStore,
    value,
  ) {
    if (this.name === 'outbox') throw new DOMException('full', 'QuotaExceededError');
    return put.call(this, value);
  });
  await expect(writeFile(phone.core, alice.primary, file)).rejects.toMatchObject({ code: 'device_full' });
  add.mockRestore();
  over = true;
  await looking;
  expect([halves, await db.count('chunks'), await db.count('messages')]).toEqual([0, 3, 1]);
});

test('what is too large, or empty, is not begun', async () => {
  const phone = await device();
  const large = new File([new Uint8Array(FILE_BYTES + 1)], 'large');
  await expect(writeFile(phone.core, alice.primary, large)).rejects.toMatchObject({ code: 'file_too_large' });
  const empty = new File([], 'empty');
  await expect(writeFile(phone.core, alice.primary, empty)).rejects.toMatchObject({ code: 'unknown_file' });
  const { db } = phone.core;
  expect([await db.count('chunks'), await db.count('messages'), await db.count('outbox')]).toEqual([0, 0, 0]);
});
