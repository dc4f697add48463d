// The words that a secret key is written down as (BIP-39, English). The key is the seed itself or its hash: neither BIP-39's PBKDF2 nor BIP-32 has a part in it.

import { sha256 } from '@noble/hashes/sha2.js';
import { entropyToMnemonic, mnemonicToEntropy } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { utf8 } from '../bytes.ts';
import { asciiLowerCase, words } from '../text.ts';
import { BadPhrase } from './bad-phrase.ts';

/** What the entropy of twelve words is hashed behind. */
const TWELVE = utf8('kez-bip39-12-v1');
/** Bytes of a phrase that can be one: 24 words of at most 8 letters, and all the white space that somebody may have typed. */
const MAX = 4096;

/**
 * The Ed25519 seed of a phrase: the entropy of 24 words, or SHA-256 of `kez-bip39-12-v1` and the entropy of 12. Any white space is between words, and upper
 * case is as good as lower. Throws a `BadPhrase`.
 */
export function seed(phrase: string): Uint8Array {
  const bytes = entropy(phrase);
  return bytes.length === 32 ? bytes : sha256.create().update(TWELVE).update(bytes).digest();
}

/** What the words of a phrase stand for: 16 bytes of twelve, 32 of twenty-four. Throws a `BadPhrase`. */
export function entropy(phrase: string): Uint8Array {
  const typed = words(asciiLowerCase(phrase));
  if (![12, 24].includes(typed.length) || utf8(phrase).length > MAX) {
    throw new BadPhrase('word_count', typed.length);
  }
  const unknown = typed.findIndex((word) => !wordlist.includes(word));
  if (unknown >= 0) throw new BadPhrase('unknown_word', unknown + 1);
  try {
    return mnemonicToEntropy(typed.join(' '), wordlist);
  } catch {
    // The library's own words would repeat the phrase.
    throw new BadPhrase('checksum');
  }
}

/** The 24 words of an Ed25519 seed of 32 bytes. */
export function ofSeed(bytes: Uint8Array): string {
  if (bytes.length !== 32) throw new TypeError('a seed is 32 bytes');
  return entropyToMnemonic(bytes, wordlist);
}

/** The 12 words of 16 fresh bytes; `seed` gives their key. There is no way back from a key to twelve words. */
export function ofEntropy(bytes: Uint8Array): string {
  if (bytes.length !== 16) throw new TypeError('the entropy of twelve words is 16 bytes');
  return entropyToMnemonic(bytes, wordlist);
}
