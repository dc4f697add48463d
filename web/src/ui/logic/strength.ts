// A hint about how hard a passphrase is to guess. It counts what a guesser must try at least; it can't know what is in their lists.

export type Strength = 'short' | 'weak' | 'fair' | 'strong';

/** Characters of a passphrase, at least. */
export const SHORTEST = 8;

/** How hard a passphrase is to guess, for a guesser who knows words, runs and repetitions. */
export function strengthOf(passphrase: string): Strength {
  if ([...passphrase].length < SHORTEST) return 'short';
  const bits = bitsOf(passphrase);
  return bits < 40 ? 'weak' : bits < 52 ? 'fair' : 'strong';
}

/** A word of letters is worth a pick from a list of two thousand at most, anything else what its alphabet gives. */
function bitsOf(passphrase: string): number {
  const seen = new Set<string>();
  let bits = 0;
  for (const part of passphrase.toLowerCase().match(/\p{L}+|\p{N}+|[^\p{L}\p{N}]+/gu) ?? []) {
    if (seen.has(part)) continue;
    seen.add(part);
    const fresh = withoutRuns(part);
    if (/^\p{L}/u.test(part)) bits += Math.min(fresh * 4.7, part.length > 10 ? 22 : 11);
    else bits += fresh * (/^\p{N}/u.test(part) ? 3.3 : 3);
  }
  const mixed = /\p{Ll}/u.test(passphrase) && /\p{Lu}/u.test(passphrase.slice(1));
  return bits + (mixed ? 4 : 0);
}

/** How many characters aren't a repetition or the next one of a run, such as in `aaaa` and `1234`. */
function withoutRuns(part: string): number {
  const codes = [...part].map((character) => character.codePointAt(0) ?? 0);
  return codes.filter((code, at) => at === 0 || Math.abs(code - (codes[at - 1] as number)) > 1).length;
}
