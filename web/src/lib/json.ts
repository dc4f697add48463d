// JSON as signatures need it: what two readers could take for two different things is refused.

import { Refusal } from './refusal.ts';

/** As deep as the services read. */
const MAX_DEPTH = 127;
// A text, a number, or a sign that begins, ends or divides. What else valid JSON has means nothing here.
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*|[{}[\]:,]/g;

/**
 * Parses one JSON document of UTF-8 bytes. Throws a `Refusal`: `malformed_json`, `duplicate_key`, where `JSON.parse` would keep the last, or
 * `number_out_of_range` (beyond ±(2^53 − 1)).
 */
export function parseStrict(bytes: Uint8Array): unknown {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text);
  } catch (cause) {
    throw new Refusal('malformed_json', { cause });
  }
  check(text);
  return value;
}

/** Looks at each token of a text that `JSON.parse` takes. */
function check(text: string): void {
  // The names of each object that is open; undefined for a list.
  const open: (Set<string> | undefined)[] = [];
  let last = '';
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '{' || token === '[') {
      open.push(token === '{' ? new Set() : undefined);
      if (open.length > MAX_DEPTH) throw new Refusal('malformed_json');
    } else if (token === '}' || token === ']') {
      open.pop();
    } else if (token === ':') {
      const names = open.at(-1);
      const name = JSON.parse(last) as string;
      if (names?.has(name)) throw new Refusal('duplicate_key');
      names?.add(name);
    } else if (token.startsWith('"')) {
      // Half of a surrogate pair has no UTF-8, and so no canonical form.
      if (token.includes('\\u') && !(JSON.parse(token) as string).isWellFormed()) {
        throw new Refusal('malformed_json');
      }
    } else if (token !== ',' && !(Math.abs(Number(token)) <= Number.MAX_SAFE_INTEGER)) {
      throw new Refusal('number_out_of_range');
    }
    last = token;
  }
}
