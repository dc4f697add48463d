// What the page does while nobody looks at it: it locks, tells of mail, opens without its server, and takes a newer version of itself.
import { appendFileSync, cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as path } from 'node:path';
import { Server } from './server.js';
import { conversation, create, expect, live, messages, send, test, unlock, write } from './test.js';

const said = (page, text) => messages(page).filter({ hasText: text });

/** Until the page's own files are kept, and it is opened from them. */
async function installed(page) {
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.reload();
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
}

test('the page opens without its server, with what was written before', async ({ join, server }) => {
  const { page } = await join('alice');
  await join('bobby');
  await write(page, 'bobby');
  await send(page, 'kept on this device');
  await expect(page.getByLabel('Stored on the server')).toBeVisible();
  await installed(page);
  await server.stop();
  await page.reload();
  await unlock(page);
  await conversation(page, 'bobby').click();
  await expect(said(page, 'kept on this device')).toHaveCount(1);
  const names = await page.evaluate(async () => {
    const caches_ = await Promise.all((await caches.keys()).map((name) => caches.open(name)));
    const kept = await Promise.all(caches_.map((cache) => cache.keys()));
    return kept.flat().map(({ url }) => new URL(url).pathname);
  });
  expect(names).toContain('/index.html');
  expect(names.filter((name) => name.startsWith('/v1/'))).toEqual([]);
  await send(page, 'written without a server');
  await server.start();
  await live(page);
  await expect(page.getByLabel('Stored on the server')).toHaveCount(2);
});

test('it locks when nobody uses it, and goes on counting mail', async ({ arrive, join }) => {
  const page = await arrive();
  await page.clock.install();
  await page.reload();
  await create(page, 'alice');
  const bob = await join('bobby');
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByLabel('Lock after').selectOption('1 minute');
  await page.clock.fastForward('00:50');
  await expect(page.getByRole('button', { name: 'Lock', exact: true })).toBeAttached();
  await page.clock.fastForward('00:30');
  await expect(page.getByRole('button', { name: 'Unlock' })).toBeVisible();

  await write(bob.page, 'alice');
  await send(bob.page, 'are you there?');
  await expect(page.getByText('1 unread message')).toBeVisible();
  await expect(page).toHaveTitle('(1) Kez Chat');
  await expect(page.locator('body')).not.toContainText('are you there?');
  await unlock(page);
  await conversation(page, 'bobby').click();
  await expect(said(page, 'are you there?')).toHaveCount(1);
});

test('notifications are asked for on a click alone, and tell of mail that nobody looks at', async ({
  join,
}) => {
  const [alice, bob] = [await join('alice'), await join('bobby')];
  const { page } = alice;
  await installed(page);
  await unlock(page);
  await live(page);
  await page.context().grantPermissions(['notifications']);
  const shown = () =>
    page.evaluate(async () => {
      const registration = await navigator.serviceWorker.ready;
      return (await registration.getNotifications()).map(({ title, body }) => `${title}: ${body}`);
    });
  const away = (hidden) =>
    page.evaluate(
      (state) => {
        Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => state });
        document.dispatchEvent(new Event('visibilitychange'));
      },
      hidden ? 'hidden' : 'visible',
    );

  await away(true);
  await write(bob.page, 'alice');
  await send(bob.page, 'nobody asked to be told');
  await expect(page).toHaveTitle('(1) Kez Chat');
  expect(await shown()).toEqual([]);

  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Turn on' }).click();
  await send(bob.page, 'a secret');
  await expect.poll(shown).toHaveLength(1);
  const [told] = await shown();
  expect(told).toContain('bobby');
  expect(told).not.toContain('secret');
});

test('a newer version is offered, and taken when the person wants it', async ({ browser }) => {
  const built = process.env.KEZ_CHAT_WEB_DIR ?? path(import.meta.dirname, '../../../web/dist');
  const dir = mkdtempSync(path(tmpdir(), 'kez-web-'));
  cpSync(built, dir, { recursive: true });
  const server = await new Server({ 'web-dir': dir }).start();
  try {
    const context = await browser.newContext({ baseURL: server.url });
    const page = await context.newPage();
    await page.goto('/');
    await create(page, 'alice');
    await installed(page);
    await unlock(page);
    await live(page);
    appendFileSync(path(dir, 'sw.js'), '\n// the next one\n');
    await page.evaluate(async () => (await navigator.serviceWorker.ready).update());
    await expect(page.getByText('A new version is ready.')).toBeVisible();
    await Promise.all([page.waitForEvent('load'), page.getByRole('button', { name: 'Update now' }).click()]);
    await unlock(page);
    await live(page);
    await expect(page.getByText('A new version is ready.')).toHaveCount(0);
    await context.close();
  } finally {
    await server.drop();
    rmSync(dir, { recursive: true, force: true });
  }
});
