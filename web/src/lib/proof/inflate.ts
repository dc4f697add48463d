// zstd (RFC 8878) of strangers: one frame, whose headers are read here, so that nothing is inflated without a bound.

import { ZSTDDecoder } from 'zstddec';
import { Undecodable } from './undecodable.ts';

const MAGIC = 0xfd2fb528;
/** The window that every decoder of zstd should have room for (RFC 8878, 3.1.1.1.2). */
const WINDOW = 8 * 1024 * 1024;
/** Bytes of one block once inflated, at most. */
const BLOCK = 128 * 1024;
/** Room beyond what may come out, so that a little too much is told from damage. */
const SPARE = 1024 * 1024;

/**
 * Exactly one frame of zstd, at most `max` bytes once inflated. Throws an `Undecodable`: `corrupt`, `too_large`. The decoder is WebAssembly, within the
 * library: a page with a Content-Security-Policy allows it by `script-src 'wasm-unsafe-eval'` and `connect-src data:`, or this throws what the browser says.
 */
export async function inflate(packed: Uint8Array, max: number): Promise<Uint8Array> {
  const { window, size, blocks } = frame(packed);
  if (window > WINDOW || (size ?? 0) > max) throw new Undecodable('too_large');
  const most = size ?? blocks * BLOCK;
  const room = Math.min(most, 2 * max + SPARE);
  const decoder = new ZSTDDecoder();
  await decoder.init();
  // What doesn't fit or is damaged comes out empty.
  const bytes = decoder.decode(packed, Math.max(room, 1));
  if (bytes.length > max || (bytes.length === 0 && most > room)) throw new Undecodable('too_large');
  if (bytes.length === 0) throw new Undecodable('corrupt');
  return bytes;
}

interface Frame {
  /** Bytes that a decoder looks back. */
  readonly window: number;
  /** Bytes once inflated, where the frame says. */
  readonly size: number | undefined;
  readonly blocks: number;
}

/** The headers of a frame that ends where the bytes do. Throws `corrupt`. */
function frame(packed: Uint8Array): Frame {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  try {
    const flags = view.getUint8(4);
    if (view.getUint32(0, true) !== MAGIC) throw new Undecodable('corrupt');
    const [single, checksum] = [(flags & 32) !== 0, (flags & 4) !== 0];
    let at = single ? 5 : 6;
    at += [0, 1, 2, 4][flags & 3] as number;
    const [length, size] = contentSize(view, at, flags >> 6, single);
    const window = single ? (size ?? 0) : windowSize(view.getUint8(5));
    const [end, blocks] = walk(view, at + length);
    if (end + (checksum ? 4 : 0) !== packed.length) throw new Undecodable('corrupt');
    return { window, size, blocks };
  } catch (cause) {
    throw cause instanceof RangeError ? new Undecodable('corrupt', { cause }) : cause;
  }
}

function windowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

/** The bytes of the field, and what it says. */
function contentSize(
  view: DataView,
  at: number,
  form: number,
  single: boolean,
): [number, number | undefined] {
  if (form === 3) return [8, Number(view.getBigUint64(at, true))];
  if (form === 2) return [4, view.getUint32(at, true)];
  if (form === 1) return [2, view.getUint16(at, true) + 256];
  return single ? [1, view.getUint8(at)] : [0, undefined];
}

/** Where the last block ends, and how many there are. */
function walk(view: DataView, first: number): [end: number, blocks: number] {
  for (let [at, blocks] = [first, 1]; ; blocks++) {
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    const repeated = ((header >> 1) & 3) === 1;
    at += 3 + (repeated ? 1 : header >> 3);
    if (header & 1) return [at, blocks];
  }
}
