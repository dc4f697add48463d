// One word: `kez:z1:` and, in base64url without padding, the envelope's JSON compressed by zstd. It is read here, not written.

import { fromBase64url } from '../bytes.ts';
import { CLAIM_BYTES } from '../limits.ts';
import { trimStart, words } from '../text.ts';
import { inflate } from './inflate.ts';
import { jsonObject } from './json.ts';
import { Undecodable } from './undecodable.ts';

/** What the word begins with. */
export const PREFIX = 'kez:z1:';

/** The envelope's JSON, at most 16 KiB, unverified. White space anywhere is passed over. Throws an `Undecodable`. */
export async function fromCompact(word: string): Promise<Uint8Array> {
  return jsonObject(await unpack(PREFIX, word, CLAIM_BYTES));
}

/** What is behind a prefix, at most `max` bytes. Throws an `Undecodable`; without the prefix, `absent`. */
export async function unpack(prefix: string, word: string, max: number): Promise<Uint8Array> {
  const text = trimStart(word);
  if (!text.startsWith(prefix)) throw new Undecodable('absent');
  const rest = text.slice(prefix.length);
  // Compression may cost a little, base64 a third, and line ends what they like.
  if (rest.length > 2 * max + 1024) throw new Undecodable('too_large');
  const packed = fromBase64url(words(rest).join(''));
  if (!packed) throw new Undecodable('corrupt');
  return inflate(packed, max);
}
