// When what failed is tried again, each for itself.

import { KezError } from '../lib/error.ts';
import { backoff } from '../lib/nats/backoff.ts';
import { askedPause, codeOf } from './errors.ts';

/** Before another try: at first, and at most, in milliseconds. */
const FIRST_PAUSE = 1_000;
const LAST_PAUSE = 60_000;

interface Retry {
  readonly failures: number;
  /** Times of `performance.now`. */
  due: number;
  /** The server asked to be left alone until then. */
  readonly asked: number;
}

/** Back-offs, by number. */
export class Retries {
  readonly #retries = new Map<number, Retry>();

  /** From when on it may be tried; 0 for what didn't fail. */
  due(n: number): number {
    return this.#retries.get(n)?.due ?? 0;
  }

  /** It failed, once more. */
  failed(n: number, error: unknown): void {
    const failures = this.#retries.get(n)?.failures ?? 0;
    const now = performance.now();
    const asked = now + askedPause(error);
    const due = Math.max(asked, now + backoff(failures, FIRST_PAUSE, LAST_PAUSE));
    this.#retries.set(n, { failures: failures + 1, due, asked });
  }

  forget(n: number): void {
    this.#retries.delete(n);
  }

  /** What was in the way is gone, perhaps: everything may be tried at once, but for what the server asked. */
  hurry(): void {
    for (const retry of this.#retries.values()) retry.due = retry.asked;
  }
}

/** Whether the same may go through later; else a person must decide. */
export function isPassing(error: unknown): boolean {
  // What this device can't store now, or seal, isn't the message's failure.
  if (['device_full', 'storage_closed', 'locked'].includes(codeOf(error))) return true;
  if (!(error instanceof KezError) || error.code === 'inbox_full') return false;
  // What isn't taken is the session: another one begins.
  return error.status === 401 || error.retryAfter !== undefined;
}
