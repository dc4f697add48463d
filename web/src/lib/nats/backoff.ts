// How long to wait before another try.

/**
 * At least `first` milliseconds, twice as long after each failure up to `last`, and a random part on top, up to `spread` times as long as that: clients that
 * were dropped together don't come back together.
 */
export function backoff(failures: number, first: number, last: number, spread = 1): number {
  const least = Math.min(last, first * 2 ** failures);
  return least + Math.min(last, least * spread) * Math.random();
}
