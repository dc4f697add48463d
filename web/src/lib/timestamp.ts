// The one form of time on the wire: RFC 3339, UTC, whole seconds, `Z`.

import type { Timestamp } from './wire.ts';

/** RFC 3339, UTC, whole seconds; a fraction is dropped. */
export function timestamp(time: Date): Timestamp {
  return time.toISOString().replace(/\.\d+Z$/, 'Z');
}

/** Milliseconds since 1970 of `YYYY-MM-DDThh:mm:ssZ` alone; `Date` takes many other forms, and days that there aren't. */
export function millis(text: unknown): number | undefined {
  if (typeof text !== 'string' || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text)) return undefined;
  const time = new Date(text);
  const real = !Number.isNaN(time.getTime()) && time.toISOString() === text.replace('Z', '.000Z');
  return real ? time.getTime() : undefined;
}
