// A page with a code fence (CommonMark, 4.5) whose first word is `kez`; in it is the JSON or the compact form.

import { utf8 } from '../bytes.ts';
import { lines, trim, trimStart, words } from '../text.ts';
import { fromCompact } from './compact.ts';
import { jsonObject } from './json.ts';
import { ifAbsent, Undecodable } from './undecodable.ts';

/** The fence around an envelope's JSON, or around its compact form. */
export function toMarkdown(proof: string): string {
  return `\`\`\`kez\n${trim(proof)}\n\`\`\`\n`;
}

/** The envelope's JSON of the first fence tagged `kez`, at most 16 KiB, unverified. Throws an `Undecodable`; a fence that isn't closed is `corrupt`. */
export async function fromMarkdown(page: string): Promise<Uint8Array> {
  let fence: Fence | undefined;
  for (const line of lines(page)) {
    if (!fence) fence = openedBy(line);
    else if (!isClosedBy(fence, line)) fence.inside.push(line);
    else if (fence.tagged) return content(trim(fence.inside.join('\n')));
    else fence = undefined;
  }
  throw new Undecodable(fence?.tagged ? 'corrupt' : 'absent');
}

function content(inside: string): Promise<Uint8Array> {
  return fromCompact(inside).catch((error) => ifAbsent(error, () => jsonObject(utf8(inside))));
}

/** A fence that is open. Others than `kez` are followed, too: what is in them is text. */
interface Fence {
  readonly mark: string;
  readonly length: number;
  readonly tagged: boolean;
  readonly inside: string[];
}

/** How often `mark` stands at the line's beginning, and what is behind. */
function run(line: string, mark: string): [length: number, behind: string] {
  const rest = trimStart(line);
  let length = 0;
  while (rest[length] === mark) length++;
  return [length, trim(rest.slice(length))];
}

function openedBy(line: string): Fence | undefined {
  for (const mark of ['`', '~']) {
    const [length, info] = run(line, mark);
    const opens = length >= 3 && !(mark === '`' && info.includes('`'));
    if (opens) return { mark, length, tagged: words(info)[0] === 'kez', inside: [] };
  }
  return undefined;
}

function isClosedBy({ mark, length: least }: Fence, line: string): boolean {
  const [length, behind] = run(line, mark);
  return length >= least && behind === '';
}
