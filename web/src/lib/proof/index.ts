// The forms in which a signed envelope is put where others find it: as JSON, as one word, in a page, in the DNS. A decoder gives the envelope's JSON,
// unverified; compare values, not compressed bytes, which differ from one compressor to another.

import { utf8 } from '../bytes.ts';
import { trim } from '../text.ts';
import type { ServerName } from '../wire.ts';
import { fromCompact } from './compact.ts';
import { jsonObject } from './json.ts';
import { fromMarkdown } from './markdown.ts';
import { ifAbsent, Undecodable } from './undecodable.ts';

export { fromMarkdown, toMarkdown } from './markdown.ts';
export { fromCompact };

/** Where a web site has its proof. */
export const WELL_KNOWN = '/.well-known/kez.json';

/** What the compact words begin with, this version's and others'. */
const PREFIXES = 'kez:z';

/** Finds the envelope in a text of any form but the DNS's: bare JSON, the compact word, or a page with a fence. Throws an `Undecodable`. */
export async function decode(text: string): Promise<Uint8Array> {
  const bare = trim(text);
  if (bare.startsWith(PREFIXES)) return word(bare);
  return bare.startsWith('{') ? jsonObject(utf8(bare)) : fromMarkdown(text);
}

/** Where a domain's TXT record is. */
export function txtHost(domain: ServerName): string {
  return `_kez.${domain}`;
}

/**
 * The envelope's JSON of the one TXT record that is a proof; `records` are all at the name, each with its segments, which are joined. Other records are passed
 * over. Several proofs are `corrupt`, because a resolver gives records in any order. Throws an `Undecodable`.
 */
export async function fromTxt(records: Iterable<readonly string[]>): Promise<Uint8Array> {
  const texts = [...records].map((segments) => segments.join(''));
  const [proof, second] = texts.filter((text) => text.replace(/^[ \t\n\f\r]+/, '').startsWith(PREFIXES));
  if (proof === undefined) throw new Undecodable('absent');
  if (second !== undefined) throw new Undecodable('corrupt');
  return word(proof);
}

/** A text that says it is a proof: of a version that isn't known here, it is no better than a damaged one. */
function word(text: string): Promise<Uint8Array> {
  return fromCompact(text).catch((error) =>
    ifAbsent(error, () => {
      throw new Undecodable('corrupt');
    }),
  );
}
