import { gzipSync } from 'node:zlib';
import { create, expect, test } from './test.js';

/** Of JavaScript, before the chat opens: in bytes, as gzip makes them. */
const FIRST_LOAD = 90 * 1024;

/** What this page has of JavaScript, by gzip's measure; asked for while it loads. */
function scripts(page) {
  const sizes = new Map();
  const measured = [];
  page.on('response', (response) => {
    const { pathname } = new URL(response.url());
    if (pathname.endsWith('.js') && pathname !== '/sw.js')
      measured.push(response.body().then((body) => sizes.set(pathname, gzipSync(body).length)));
  });
  return async () => {
    await Promise.all(measured);
    return [...sizes.values()].reduce((sum, size) => sum + size, 0);
  };
}

test('little is loaded before the chat opens', async ({ arrive }) => {
  const page = await arrive({ serviceWorkers: 'block' });
  const welcome = scripts(page);
  await page.reload();
  await page.getByRole('button', { name: 'Create account' }).waitFor();
  await page.waitForLoadState('networkidle');
  const first = await welcome();
  await create(page, 'alice');
  const whole = await welcome();

  const locked = await page.context().newPage();
  await page.close();
  const unlocking = scripts(locked);
  const streams = locked.waitForRequest(/\/stream/);
  await locked.goto('/');
  await locked.getByRole('button', { name: 'Unlock' }).waitFor();
  // Mail comes while it is locked, too.
  await streams;
  const before = await unlocking();
  console.log(
    `JavaScript, gzip: ${first} bytes until the first page, ${before} until it asks for the passphrase, ${whole} with an account made and the chat open`,
  );
  for (const size of [first, before]) {
    expect(size).toBeGreaterThan(10_000);
    expect(size).toBeLessThan(FIRST_LOAD);
  }
});
