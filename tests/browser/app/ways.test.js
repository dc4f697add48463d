// Mail finds another way where one is closed.
import { begin, conversation, create, expect, live, messages, send, test, write } from './test.js';

const STREAM = /\/v1\/inbox\/[^/]+\/stream/;
const said = (page, text) => messages(page).filter({ hasText: text });
const status = (page) => page.getByRole('status', { name: 'Connection' });

test('where SSE is held up NATS is taken, and where that is cut SSE again', async ({ arrive, join }) => {
  const page = await arrive();
  await page.context().route(STREAM, (route) => route.abort());
  const sockets = [];
  let closed = false;
  await page.routeWebSocket(/./, (socket) => {
    if (closed) return socket.close();
    socket.connectToServer();
    sockets.push(socket);
  });
  await create(page, 'alice');
  await expect(status(page)).toContainText('NATS');
  const bob = await join('bobby');
  await write(bob.page, 'alice');
  await send(bob.page, 'over NATS');
  await conversation(page, 'bobby').click();
  await expect(said(page, 'over NATS')).toHaveCount(1);

  closed = true;
  await page.context().unroute(STREAM);
  await send(bob.page, 'in between');
  for (const socket of sockets) await socket.close();
  await expect(status(page)).toContainText('SSE', { timeout: 60_000 });
  await live(page);
  await send(bob.page, 'over SSE');
  for (const text of ['over NATS', 'in between', 'over SSE']) await expect(said(page, text)).toHaveCount(1);
});

test('where neither streams mail is asked for all the same', async ({ join, arrive }) => {
  const page = await arrive();
  await page.context().route(STREAM, (route) => route.abort());
  await page.routeWebSocket(/./, (socket) => socket.close());
  await begin(page, 'alice');
  const bob = await join('bobby');
  await write(bob.page, 'alice');
  await send(bob.page, 'by asking');
  await conversation(page, 'bobby').click({ timeout: 60_000 });
  await expect(said(page, 'by asking')).toHaveCount(1);
  await expect(status(page)).not.toContainText('● live');
});
