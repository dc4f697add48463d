import * as kez from '../../../web/dist-library/kez.js';
import { conversation, expect, live, messages, PASSPHRASE, test } from './test.js';

const COUNT = 60;

/** Writes to a handle for as long as it takes, whatever happens to the server. */
async function writeAll(url, from, to, texts) {
  const { primary } = await kez.lookup(url, to);
  for (const text of texts) {
    const envelope = await kez.seal(from, kez.compose(from, primary, text));
    await expect(async () => {
      const body = JSON.stringify({ to, envelope });
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch(`${url}/v1/messages`, { method: 'POST', headers, body });
      expect(answer.status).toBe(201);
    }).toPass({ timeout: 60_000 });
  }
}

/** A window that was opened or loaded again has the keys from another one, or asks for the passphrase. */
async function opened(page) {
  const [asked, list] = [
    page.getByRole('textbox', { name: 'Passphrase' }),
    page.getByRole('list', { name: 'Conversations' }),
  ];
  await expect(async () => {
    if (await list.isVisible()) return;
    await asked.fill(PASSPHRASE, { timeout: 3000 });
    await page.getByRole('button', { name: 'Unlock' }).click({ timeout: 3000 });
    await expect(list).toBeVisible();
  }).toPass({ timeout: 60_000 });
}

test('whatever is cut, all mail is there, in order and once', async ({ join, server }) => {
  test.setTimeout(240_000);
  const { page: first } = await join('alice');
  const context = first.context();
  const second = await context.newPage();
  await second.goto('/');
  await opened(second);
  const carol = kez.Identity.generate();
  await kez.register(server.url, 'kez.lat', 'carol', carol);
  const texts = Array.from({ length: COUNT }, (_, n) => `Number ${n}.`);

  let over = false;
  const written = writeAll(server.url, carol, 'alice', texts).finally(() => {
    over = true;
  });
  const cuts = [
    () => context.setOffline(true).then(() => context.setOffline(false)),
    () => first.reload().then(() => opened(first)),
    () => server.stop().then(() => server.start()),
    () =>
      second
        .getByRole('button', { name: 'Lock' })
        .click()
        .then(() => opened(second)),
    () => second.reload().then(() => opened(second)),
    () => server.killNats(),
  ];
  for (let n = 0; !over || n < cuts.length; n++) await cuts[n % cuts.length]();
  await written;

  await first.close();
  await opened(second);
  await live(second);
  await conversation(second, 'carol').click();
  await expect(messages(second).filter({ hasText: `Number ${COUNT - 1}.` })).toHaveCount(1, {
    timeout: 60_000,
  });
  // The list has only those in view: the page's own database has all of them.
  const stored = await second.evaluate(
    () =>
      new Promise((resolve) => {
        indexedDB.open('kez-chat').onsuccess = ({ target: { result: db } }) => {
          db.transaction('messages').objectStore('messages').getAll().onsuccess = ({ target }) => {
            db.close();
            resolve(target.result.map(({ order, state }) => `${order} ${state}`));
          };
        };
      }),
  );
  expect(stored).toEqual(texts.map((_, n) => `${n} received`));
  const shown = await messages(second).allInnerTexts();
  const numbers = shown.flatMap((text) => text.match(/Number (\d+)\./)?.[1] ?? []).map(Number);
  expect(numbers.length).toBeGreaterThan(5);
  expect(numbers).toEqual(numbers.map((_, n) => COUNT - numbers.length + n));
});
