// Days of a calendar, counted.

/** A day of the reader's calendar, as a number that rises by one each day. */
export function dayOf(at: number): number {
  const then = new Date(at);
  return Math.round(Date.UTC(then.getFullYear(), then.getMonth(), then.getDate()) / 86_400_000);
}
