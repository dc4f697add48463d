import { createHash, randomFillSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { conversation, expect, live, messages, test, unlock, write } from './test.js';

const hash = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** What a page that has received a file saves. */
async function saved(page, name) {
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: new RegExp(`download ${name}|save ${name}`, 'i') }).click(),
  ]);
  return readFileSync(await download.path());
}

test('a file of 8 MB arrives whole, also when the page is reloaded meanwhile', async ({ join }) => {
  test.setTimeout(300_000);
  const [alice, bob] = [await join('alice'), await join('bobby')];
  const bytes = randomFillSync(Buffer.alloc(8 << 20));
  await write(alice.page, 'bobby');
  let chunks = 0;
  await alice.page.route('**/v1/messages', async (route) => {
    // In the middle nothing gets through any more.
    if (chunks++ < 20) await route.continue();
  });
  await alice.page
    .locator('input[type=file]')
    .setInputFiles({ name: 'film.bin', mimeType: 'application/octet-stream', buffer: bytes });
  await expect(messages(alice.page).filter({ hasText: 'film.bin' })).toHaveCount(1);
  await expect.poll(() => chunks).toBeGreaterThan(20);
  await alice.page.unroute('**/v1/messages');
  await alice.page.reload();
  await unlock(alice.page);
  await live(alice.page);

  await conversation(bob.page, 'alice').click({ timeout: 120_000 });
  const arrived = messages(bob.page).filter({ hasText: 'film.bin' });
  await expect(arrived).toHaveCount(1, { timeout: 120_000 });
  await expect(arrived.getByRole('progressbar')).toHaveCount(0, { timeout: 120_000 });
  expect(hash(await saved(bob.page, 'film.bin'))).toBe(hash(bytes));
});

test('a picture is shown where it was sent', async ({ join }) => {
  const [alice, bob] = [await join('alice'), await join('bobby')];
  const picture = readFileSync(new URL('../../../web/public/icon-512.png', import.meta.url));
  await write(alice.page, 'bobby');
  await alice.page
    .locator('input[type=file]')
    .setInputFiles({ name: 'boat.png', mimeType: 'image/png', buffer: picture });
  await conversation(bob.page, 'alice').click();
  const image = messages(bob.page).getByRole('img', { name: /boat\.png/ });
  await expect(image).toBeVisible();
  expect(await image.evaluate((img) => img.naturalWidth)).toBe(512);
});
