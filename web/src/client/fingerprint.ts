// A key as a few words that people can compare.

import { sha256 } from '@noble/hashes/sha2.js';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { utf8 } from '../lib/bytes.ts';
import type { Primary } from '../lib/wire.ts';

const WORDS = 8;

/** Eight words of 11 bits each, from the beginning of SHA-256 of `kez-fingerprint-v1` and the key as text. */
export function fingerprint(primary: Primary): readonly string[] {
  const hash = sha256(utf8(`kez-fingerprint-v1${primary}`));
  let bits = 0n;
  for (const byte of hash.subarray(0, WORDS + 3)) bits = (bits << 8n) | BigInt(byte);
  return Array.from({ length: WORDS }, (_, n) => {
    const index = Number((bits >> BigInt(11 * (WORDS - 1 - n))) & 0x7ffn);
    return wordlist[index] ?? '';
  });
}
