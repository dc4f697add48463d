// Where in a message something was found.

/** Characters before the place that are shown. */
const BEFORE = 28;

/** What stands before the place, the place, and what follows. Where the words aren't together, the first one's place; empty where even that was found by other letters. */
export function around(text: string, sought: string): [before: string, found: string, after: string] {
  const line = text.replace(/\s+/g, ' ');
  const folded = line.toLowerCase();
  const [word] = [sought, ...sought.split(/\s+/)].filter((part) => folded.includes(part.toLowerCase()));
  if (!word) return [line, '', ''];
  const at = folded.indexOf(word.toLowerCase());
  const from = at > BEFORE ? line.indexOf(' ', at - BEFORE) + 1 : 0;
  const start = from > at ? at : from;
  return [
    `${start > 0 ? '…' : ''}${line.slice(start, at)}`,
    line.slice(at, at + word.length),
    line.slice(at + word.length),
  ];
}
