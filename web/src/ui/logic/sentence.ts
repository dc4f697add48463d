// What is said about an error.

import { errors } from '../strings.ts';

/** The stable code of what was thrown; `unexpected` where it has none. */
export function codeOf(thrown: unknown): string {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  return typeof code === 'string' ? code : 'unexpected';
}

/** What to do about a code; one without a sentence is named. */
export function sentenceOf(code: string): string {
  return Object.hasOwn(errors, code) ? (errors[code] as string) : `${errors.unexpected} (${code})`;
}

/** What to do about what was thrown. */
export function sentence(thrown: unknown): string {
  const code = codeOf(thrown);
  if (code === 'unexpected') console.error(thrown);
  return sentenceOf(code);
}
