import { conversation, expect, live, messages, send, test, unlock, write } from './test.js';

const said = (page, text) => messages(page).filter({ hasText: text });

/** Chooses how mail comes. */
async function choose(page, transport) {
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('radio', { name: transport }).check();
  await page.keyboard.press('Escape');
  await live(page);
}

for (const [mine, theirs] of [
  ['SSE', 'SSE'],
  ['NATS', 'NATS'],
  ['SSE', 'NATS'],
]) {
  test(`two people over ${mine} and ${theirs}`, async ({ join }) => {
    const [alice, bob] = [await join('alice'), await join('bobby')];
    await choose(alice.page, new RegExp(mine));
    await choose(bob.page, new RegExp(theirs));
    await expect(alice.page.getByRole('status', { name: 'Connection' })).toContainText(mine);
    await expect(bob.page.getByRole('status', { name: 'Connection' })).toContainText(theirs);

    await write(alice.page, 'bobby');
    await send(alice.page, 'hello, bobby');
    await conversation(bob.page, 'alice').click();
    await expect(said(bob.page, 'hello, bobby')).toHaveCount(1);
    await send(bob.page, 'hello, alice');
    await expect(said(alice.page, 'hello, alice')).toHaveCount(1);
    // Each as it comes: a long list doesn't hold what is far out of sight.
    for (let n = 0; n < 20; n++) {
      const [from, to] = n % 2 ? [alice.page, bob.page] : [bob.page, alice.page];
      await send(from, `number ${n}.`);
      for (const page of [from, to]) await expect(said(page, `number ${n}.`)).toHaveCount(1);
    }
  });
}

test('what was being sent when the page was reloaded arrives, once', async ({ join }) => {
  const [alice, bob] = [await join('alice'), await join('bobby')];
  await write(alice.page, 'bobby');
  await alice.page.route('**/v1/messages', () => {});
  await send(alice.page, 'in the middle');
  await expect(said(alice.page, 'in the middle')).toHaveCount(1);
  await alice.page.unroute('**/v1/messages');
  await alice.page.reload();
  await unlock(alice.page);
  await conversation(bob.page, 'alice').click();
  await expect(said(bob.page, 'in the middle')).toHaveCount(1);
  await send(alice.page, 'after it');
  await expect(said(bob.page, 'after it')).toHaveCount(1);
  await expect(said(bob.page, 'in the middle')).toHaveCount(1);
});

test('offline and back: what was written leaves, and what came is there', async ({ join }) => {
  const [alice, bob] = [await join('alice'), await join('bobby')];
  await write(alice.page, 'bobby');
  await send(alice.page, 'before');
  await conversation(bob.page, 'alice').click();
  await expect(said(bob.page, 'before')).toHaveCount(1);
  await alice.page.context().setOffline(true);
  await expect(alice.page.getByRole('status', { name: 'Connection' })).toContainText('○ offline');
  await send(alice.page, 'written offline');
  await send(bob.page, 'while you were away');
  await expect(said(alice.page, 'written offline')).toHaveCount(1);
  await alice.page.context().setOffline(false);
  await live(alice.page);
  await expect(said(bob.page, 'written offline')).toHaveCount(1);
  await expect(said(alice.page, 'while you were away')).toHaveCount(1);
});

for (const transport of ['SSE', 'NATS']) {
  test(`the server, and then its nats-server, start again under ${transport}`, async ({ join, server }) => {
    const [alice, bob] = [await join('alice'), await join('bobby')];
    await choose(alice.page, new RegExp(transport));
    await choose(bob.page, new RegExp(transport));
    await write(alice.page, 'bobby');
    await send(alice.page, 'number 0.');
    await conversation(bob.page, 'alice').click();
    await server.stop();
    await send(alice.page, 'number 1.');
    await server.start();
    await expect(said(bob.page, 'number 1.')).toHaveCount(1, { timeout: 60_000 });
    server.killNats();
    await send(alice.page, 'number 2.');
    await expect(said(bob.page, 'number 2.')).toHaveCount(1, { timeout: 60_000 });
    await send(bob.page, 'number 3.');
    for (const { page } of [alice, bob]) {
      for (let n = 0; n < 4; n++)
        await expect(said(page, `number ${n}.`)).toHaveCount(1, { timeout: 60_000 });
    }
  });
}

test('all tabs of a person share one stream, and one of them takes over', async ({ join }) => {
  const [alice, bob] = [await join('alice'), await join('bobby')];
  const second = await alice.page.context().newPage();
  await second.goto('/');
  // The page that is unlocked unlocks it.
  await live(second);
  await write(bob.page, 'alice');
  await send(bob.page, 'to both tabs');
  for (const page of [alice.page, second]) {
    await conversation(page, 'bobby').click();
    await expect(said(page, 'to both tabs')).toHaveCount(1);
  }
  await alice.page.close();
  await send(bob.page, 'to the one that is left');
  await expect(said(second, 'to the one that is left')).toHaveCount(1);
});
