// Where in a message something was found.

/** Characters before the place that are shown. */
const BEFORE = 28;

/** What stands before the place, the place, and what follows; the place is empty where case folding moved it. */
export function around(text: string, sought: string): [before: string, found: string, after: string] {
  const line = text.replace(/\s+/g, ' ');
  const at = line.toLowerCase().indexOf(sought.toLowerCase());
  if (at < 0) return [line, '', ''];
  const from = at > BEFORE ? line.indexOf(' ', at - BEFORE) + 1 : 0;
  const start = from > at ? at : from;
  return [
    `${start > 0 ? '…' : ''}${line.slice(start, at)}`,
    line.slice(at, at + sought.length),
    line.slice(at + sought.length),
  ];
}
