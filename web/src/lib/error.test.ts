import { expect, test } from 'vitest';
import { KezError } from './error.ts';

test("a service's error is read with the status and the pause of its code", () => {
  const unknown = KezError.fromService('unknown_handle: nobody here has this handle');
  expect(unknown).toMatchObject({
    code: 'unknown_handle',
    status: 404,
    detail: 'nobody here has this handle',
    retryAfter: undefined,
  });
  const full = KezError.fromService('inbox_full: it is full: wait');
  expect(full).toMatchObject({ code: 'inbox_full', status: 507, detail: 'it is full: wait', retryAfter: 60 });
  for (const foreign of ['what?', '', 'constructor: x', 'no_such_code: x', 'toString: x']) {
    expect(KezError.fromService(foreign)).toMatchObject({ code: 'internal', status: 500 });
  }
});

test('an answer over HTTP is read, and that of a proxy too', async () => {
  const answer = (status: number, body: string) => KezError.fromResponse(new Response(body, { status }));
  const problem = { code: 'rate_limited', status: 429, detail: 'too many requests', retry_after: 7 };
  expect(await answer(429, JSON.stringify(problem))).toMatchObject({
    code: 'rate_limited',
    status: 429,
    retryAfter: 7,
  });
  expect(await answer(502, '<html>')).toMatchObject({ code: 'unavailable', retryAfter: 1 });
  expect(await answer(404, '"x"')).toMatchObject({ code: 'internal', status: 404, retryAfter: undefined });
  expect(await answer(413, '<html>')).toMatchObject({ code: 'too_large', retryAfter: undefined });
  const later = JSON.stringify({ code: 'of_a_later_server', detail: 'no' });
  expect(await answer(422, later)).toMatchObject({ code: 'internal', status: 422, retryAfter: undefined });
  const busy = new Response('<html>', { status: 429, headers: { 'retry-after': '9' } });
  expect(await KezError.fromResponse(busy)).toMatchObject({ code: 'rate_limited', asked: 9000 });
  expect(KezError.of('rate_limited', '', 1e9).asked).toBe(300_000);
  expect([KezError.of('unknown_handle', '').asked, KezError.local('timeout', '').asked]).toEqual([0, 0]);
});
