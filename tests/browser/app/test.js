// What every test of the web client has: a server, people with a browser profile each, and an eye on what pages complain of.
import { test as base, expect } from '@playwright/test';
import { Server } from './server.js';

export { expect };

export const PASSPHRASE = 'correct horse battery staple';

export const test = base.extend({
  server: async ({ browserName: _ }, use, info) => {
    const server = await new Server().start();
    await use(server);
    if (info.status !== info.expectedStatus)
      console.log(`--- the last words of the server:\n${server.log()}`);
    await server.drop();
  },

  /** Opens a page in a profile of its own. At the end nothing may have thrown, nor broken the policy of the page, nor asked another host. */
  arrive: async ({ browser, server }, use) => {
    const complaints = [];
    const contexts = [];
    await use(async (options = {}) => {
      const context = await browser.newContext({ baseURL: server.url, ...options });
      contexts.push(context);
      context.on('weberror', (error) => complaints.push(error.error().stack));
      context.on('console', (message) => {
        if (/Content.Security.Policy/.test(message.text())) complaints.push(message.text());
      });
      context.on('request', (request) => {
        const { hostname, protocol } = new URL(request.url());
        if (hostname !== '127.0.0.1' && !['blob:', 'data:'].includes(protocol))
          complaints.push(request.url());
      });
      const page = await context.newPage();
      await page.goto('/');
      return page;
    });
    for (const context of contexts) await context.close();
    expect(complaints).toEqual([]);
  },

  /** A new person at their own page. */
  join: async ({ arrive }, use) => {
    await use(async (handle, options) => {
      const page = await arrive(options);
      const words = await create(page, handle);
      return { handle, page, words };
    });
  },
});

/** Creates an account, and the words of its phrase. */
export async function create(page, handle) {
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.getByRole('textbox', { name: 'Handle' }).fill(handle);
  await page.getByLabel('Passphrase', { exact: true }).fill(PASSPHRASE);
  await page.getByRole('button', { name: 'Continue' }).click();
  const words = await page.getByRole('list', { name: 'Your words' }).getByRole('listitem').allInnerTexts();
  await page.getByRole('button', { name: 'I’ve written them down' }).click();
  const plain = words.map((word) => word.replace(/[^a-z]/g, ''));
  for (const box of await page.getByRole('textbox', { name: /^Word \d+$/ }).all()) {
    const label = await box.evaluate((input) => input.labels[0].textContent);
    await box.fill(plain[Number(label.match(/\d+/)[0]) - 1]);
  }
  await page.getByRole('button', { name: 'Create account' }).click();
  await live(page);
  return plain;
}

export async function unlock(page) {
  await page.getByLabel('Passphrase', { exact: true }).fill(PASSPHRASE);
  await page.getByRole('button', { name: 'Unlock' }).click();
}

/** Until mail streams. */
export const live = (page) =>
  expect(page.getByRole('status', { name: 'Connection' })).toContainText('● live');

/** Begins a conversation, or goes on with it. */
export async function write(page, to) {
  await page.getByRole('button', { name: 'New conversation' }).click();
  await page.getByRole('textbox', { name: 'To' }).fill(to);
  await page.getByRole('button', { name: 'Start' }).click();
  await expect(page.getByRole('textbox', { name: 'Message' })).toBeVisible();
}

export async function send(page, text) {
  await page.getByRole('textbox', { name: 'Message' }).fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
}

/** The messages that are shown. */
export const messages = (page) => page.getByRole('list', { name: 'Messages' }).getByRole('listitem');

/** A conversation in the list. */
export const conversation = (page, name) =>
  page.getByRole('list', { name: 'Conversations' }).getByRole('listitem').filter({ hasText: name });
