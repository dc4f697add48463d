// Padding, so that the length of a message tells only its bucket: u32 big-endian length ‖ JSON ‖ zeros, up to the next of 512·2ⁿ bytes.

import { Refusal } from '../refusal.ts';

/** Bytes of JSON inside a sealed message, at most. */
export const JSON_MAX = 176 * 1024;
const LENGTH = 4;
const PADDED_MIN = 512;
/** The last bucket is exactly the longest JSON: one of 256 KiB would make an envelope that no server takes. */
const PADDED_MAX = LENGTH + JSON_MAX;

/** Bytes of the bucket for JSON of this many bytes; undefined beyond `JSON_MAX`. */
export function paddedLength(json: number): number | undefined {
  if (json > JSON_MAX) return undefined;
  let bucket = PADDED_MIN;
  while (bucket < json + LENGTH) bucket *= 2;
  return Math.min(bucket, PADDED_MAX);
}

/** Pads JSON; undefined if it is longer than `JSON_MAX`. */
export function pad(json: Uint8Array): Uint8Array | undefined {
  const length = paddedLength(json.length);
  if (length === undefined) return undefined;
  const padded = new Uint8Array(length);
  new DataView(padded.buffer).setUint32(0, json.length);
  padded.set(json, LENGTH);
  return padded;
}

/** The JSON within. Throws `bad_padding` unless it stands in its own bucket, with zeros alone behind it: one message has one padded form. */
export function unpad(padded: Uint8Array): Uint8Array {
  const view = new DataView(padded.buffer, padded.byteOffset, padded.byteLength);
  const length = padded.length < LENGTH ? undefined : view.getUint32(0);
  if (length === undefined || paddedLength(length) !== padded.length) throw new Refusal('bad_padding');
  const end = LENGTH + length;
  if (padded.subarray(end).some((byte) => byte !== 0)) throw new Refusal('bad_padding');
  return padded.subarray(LENGTH, end);
}
