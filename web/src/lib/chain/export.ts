// A whole chain in one text: JSON Lines, one canonical event a line, or these lines as one word, `kez:zc1:` with zstd and base64url. The word is read here,
// not written.

import { utf8 } from '../bytes.ts';
import { canonical } from '../canonical.ts';
import { parseStrict } from '../json.ts';
import { CHAIN_EVENTS, CHAIN_EXPORT_BYTES, EVENT_BYTES } from '../limits.ts';
import { unpack } from '../proof/compact.ts';
import { ifAbsent, Undecodable } from '../proof/undecodable.ts';
import { lines, trim } from '../text.ts';
import { demand } from '../verify.ts';

/** What a bundle begins with. */
export const BUNDLE_PREFIX = 'kez:zc1:';
/** Where a web site has its owner's chain, as JSON Lines. */
export const WELL_KNOWN = '/.well-known/kez-sigchain.jsonl';

/** The lines of these events. Throws as `parseStrict` does, and `too_large` beyond 10,000 events or 16 MiB. */
export function toLines(events: Iterable<Uint8Array>): string {
  const texts: string[] = [];
  let bytes = 0;
  for (const event of events) {
    const line = `${canonical(parseStrict(event))}\n`;
    bytes += utf8(line).length;
    texts.push(line);
    demand(texts.length <= CHAIN_EVENTS && bytes <= CHAIN_EXPORT_BYTES, 'too_large');
  }
  return texts.join('');
}

/**
 * The events of JSON Lines, unverified: give them to `Chain.verify`. Empty lines are passed over. Throws an `Undecodable`: `absent` where no line is left,
 * `too_large` beyond 16 KiB a line, 10,000 lines or 16 MiB.
 */
export function fromLines(text: string): Uint8Array[] {
  if (utf8(text).length > CHAIN_EXPORT_BYTES) throw new Undecodable('too_large');
  const found = lines(text)
    .map(trim)
    .filter((line) => line !== '');
  const events = found.map((line) => utf8(line));
  const tooLarge = events.length > CHAIN_EVENTS || events.some((event) => event.length > EVENT_BYTES);
  if (tooLarge) throw new Undecodable('too_large');
  if (found.some((line) => !line.startsWith('{'))) throw new Undecodable('corrupt');
  if (events.length === 0) throw new Undecodable('absent');
  return events;
}

/** The events of a bundle, unverified. Bounds are those of `fromLines`, and hold before anything beyond them is inflated. */
export async function fromBundle(bundle: string): Promise<Uint8Array[]> {
  const bytes = await unpack(BUNDLE_PREFIX, bundle, CHAIN_EXPORT_BYTES);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new Undecodable('corrupt', { cause });
  }
  try {
    return fromLines(text);
  } catch (error) {
    return ifAbsent(error, () => {
      throw new Undecodable('corrupt');
    });
  }
}

/** The events of either form. */
export function decode(text: string): Promise<Uint8Array[]> {
  return fromBundle(text).catch((error) => ifAbsent(error, () => fromLines(text)));
}
