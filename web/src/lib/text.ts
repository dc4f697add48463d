// White space as Unicode has it, which `\s` and `trim` of JavaScript don't follow: a reader here and one on a server must see the same words.

const SPACE = /\p{White_Space}/u;

/** Without white space at either end. */
export function trim(text: string): string {
  let end = text.length;
  while (end > 0 && SPACE.test(text.charAt(end - 1))) end--;
  return trimStart(text.slice(0, end));
}

/** Without white space at the beginning. */
export function trimStart(text: string): string {
  const at = text.search(/\P{White_Space}/u);
  return at < 0 ? '' : text.slice(at);
}

/** The words between white space. */
export function words(text: string): string[] {
  return text.split(/\p{White_Space}+/u).filter((word) => word !== '');
}

/** The lines, each without its end. */
export function lines(text: string): string[] {
  return text.split(/\r?\n/);
}

/** Capitals of ASCII in lower case, and nothing else: `toLowerCase` makes other letters ASCII. */
export function asciiLowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, (capitals) => capitals.toLowerCase());
}
