// Apart from the words themselves, which are large.

/** A phrase has no key. Says where, never what: an error may be logged. */
export class BadPhrase extends Error {
  override readonly name = 'BadPhrase';

  constructor(
    /** It has neither 12 nor 24 words; a word isn't in the list; the words don't belong together: one is wrong, or two changed places. */
    readonly code: 'word_count' | 'unknown_word' | 'checksum',
    /** How many words there are, or which one it is, from 1. */
    readonly at?: number,
  ) {
    super(at === undefined ? code : `${code}: ${at}`);
  }
}
