// A window whose turn it is works, also when what it needs couldn't be loaded at first.

import { afterEach, expect, test, vi } from 'vitest';
import { MailTurn } from './mail-turn.ts';
import { device } from './test-device.ts';
import type { MailWork } from './work.ts';

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('what could not be loaded is loaded again', async () => {
  // One window: the lock is always free.
  const locks = { request: (_: string, __: object, work: () => Promise<void>) => work() };
  vi.stubGlobal('navigator', { locks });
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  const { core } = await device();
  const stop = new AbortController();
  class Work {
    run = (over: AbortSignal) =>
      new Promise<void>((resolve) => over.addEventListener('abort', () => resolve()));
  }
  const load = vi
    .fn()
    .mockRejectedValueOnce(new TypeError('Failed to fetch dynamically imported module'))
    .mockResolvedValue({ MailWork: Work as unknown as typeof MailWork });
  const turn = new MailTurn(core, stop.signal, () => {}, load);
  const failed: string[] = [];
  const waiting = turn.wait((code) => failed.push(code));
  await vi.waitFor(() => expect(failed).toEqual(['unexpected']));
  expect(turn.work).toBeUndefined();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(turn.work).toBeInstanceOf(Work);
  // It waits for its turn once.
  await turn.wait((code) => failed.push(code));
  expect([load.mock.calls.length, failed.length]).toEqual([2, 1]);
  stop.abort();
  await waiting;
  expect(turn.work).toBeUndefined();
});
