import { conversation, expect, messages, send, test, write } from './test.js';

test('on a phone there is one pane at a time, and nothing is wider than it', async ({ join }) => {
  const options = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
  const [alice, bob] = [await join('alice', options), await join('bobby')];
  const { page } = alice;
  const conversations = page.getByRole('list', { name: 'Conversations' });
  await write(page, 'bobby');
  await expect(conversations).toBeHidden();
  await send(page, `a long one ${'without-end-'.repeat(40)}`);
  await write(bob.page, 'alice');
  await send(bob.page, 'to your phone');
  await expect(messages(page).filter({ hasText: 'to your phone' })).toBeVisible();
  const wider = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(await wider()).toBeLessThanOrEqual(0);
  await page.getByRole('button', { name: 'Back' }).click();
  await expect(conversation(page, 'bobby')).toBeVisible();
  await expect(page.getByRole('textbox', { name: 'Message' })).toBeHidden();
  expect(await wider()).toBeLessThanOrEqual(0);
});
