import * as kez from '../../../web/dist-library/kez.js';
import { succeed } from '../pictures/talk.js';
import { conversation, expect, messages, send, test, unlock, write } from './test.js';

const said = (page, text) => messages(page).filter({ hasText: text });

test('a key that the server replaced is refused, and nothing is sent to it', async ({ join }) => {
  const [alice, bob] = [await join('alice'), await join('bobby')];
  await write(alice.page, 'bobby');
  await send(alice.page, 'to the right one');
  await expect(said(bob.page, 'to the right one')).toHaveCount(0);
  const posted = [];
  alice.page.on('request', (request) => {
    if (request.method() === 'POST' && request.url().endsWith('/v1/messages'))
      posted.push(request.postDataJSON().to);
  });
  await alice.page.route('**/v1/u/bobby', async (route) => {
    const record = await (await route.fetch()).json();
    await route.fulfill({ json: { ...record, primary: kez.Identity.generate().primary } });
  });
  // What was written before anybody could know of it, too.
  await alice.page.context().setOffline(true);
  await send(alice.page, 'written before the change');
  await expect(said(alice.page, 'written before the change')).toHaveCount(1);
  await alice.page.context().setOffline(false);
  await expect(alice.page.getByText('bobby has a new key')).toBeVisible({ timeout: 60_000 });
  await alice.page.reload();
  await unlock(alice.page);
  await conversation(alice.page, 'bobby').click();
  await expect(alice.page.getByText('bobby has a new key')).toBeVisible();
  await expect(alice.page.getByText(/nothing proves/i).first()).toBeVisible();
  await expect(alice.page.getByRole('textbox', { name: 'Message' })).toHaveCount(0);
  expect(posted).toEqual([]);
});

test('a key that its log proves is used, and that is told', async ({ join, server }) => {
  const alice = await join('alice');
  const [old, next] = [kez.Identity.generate(), kez.Identity.generate()];
  await kez.register(server.url, 'kez.lat', 'carol', old);
  await write(alice.page, 'carol');
  await send(alice.page, 'to the old key');
  await expect(alice.page.getByLabel(/stored|delivered/i).first()).toBeVisible();
  await succeed(server.url, old, next);
  const session = await kez.Session.begin(server.url, 'kez.lat', next, 3600);
  const { primary } = await kez.lookup(server.url, 'alice');
  const sealed = await kez.seal(next, kez.compose(next, primary, 'under my new key'));
  await kez.send(server.url, await session.token(), 'alice', sealed);
  await expect(said(alice.page, 'under my new key')).toHaveCount(1);
  await expect(alice.page.getByText('carol has a new key')).toBeVisible();
  await expect(alice.page.getByText(/Their identity log proves/).first()).toBeVisible();
});
