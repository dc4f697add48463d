// The feed leaves a server alone that asks for it.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { KezError } from '../lib/error.ts';
import { type KeptSession, Session } from '../lib/session.ts';
import { Feed, type Source } from './feed.ts';
import { device, SERVER } from './test-device.ts';

beforeEach(() => {
  vi.stubGlobal('navigator', { onLine: true });
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function feed(source: Partial<Source>): Promise<Feed> {
  const { core, me } = await device();
  const later = new Date(Date.now() + 3600_000).toISOString();
  const answer = {
    handle: 'me',
    token: 'token',
    expires_at: later,
    session_expires_at: later,
  } as KeptSession['answer'];
  const kept: KeptSession = { primary: me.primary, seed: new Uint8Array(32), answer };
  return new Feed(core.db, {
    session: async () => Session.resume('http://chat.test', SERVER, kept),
    ended: async () => false,
    natsUrl: () => undefined,
    choice: () => 'auto',
    status: () => {},
    copies: new Map(),
    stored: () => {},
    ...source,
  });
}

const seconds = (n: number) => vi.advanceTimersByTimeAsync(1000 * n);

test('a stream that is refused with a pause is asked for after it, and mail neither polled', async () => {
  const busy = { code: 'rate_limited', detail: 'too many', retry_after: 45 };
  const ask = vi.fn(async () => Response.json(busy, { status: 429 }));
  vi.stubGlobal('fetch', ask);
  const one = await feed({});
  const running = one.run();
  await vi.waitFor(() => expect(ask).toHaveBeenCalledTimes(1));
  await seconds(20);
  one.wake();
  await seconds(20);
  expect(ask).toHaveBeenCalledTimes(1);
  await seconds(20);
  expect(ask.mock.calls.length).toBeGreaterThan(1);
  one.close();
  await running;
});

test('so is a session', async () => {
  const session = vi.fn(() => Promise.reject(KezError.of('unavailable', 'starting', 30)));
  const one = await feed({ session });
  const running = one.run();
  await vi.waitFor(() => expect(session).toHaveBeenCalledTimes(1));
  await seconds(20);
  expect(session).toHaveBeenCalledTimes(1);
  await seconds(20);
  expect(session.mock.calls.length).toBeGreaterThan(1);
  one.close();
  await running;
});
