// How long to wait before another try.

/** Twice as long after each failure, from `first` to `last` milliseconds, and never quite the same for two clients. */
export function backoff(failures: number, first: number, last: number): number {
  return Math.min(last, first * 2 ** failures) * (0.5 + Math.random() / 2);
}
