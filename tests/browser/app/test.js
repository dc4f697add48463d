// What every test of the web client has: a server, people with a browser profile each, and an eye on what pages complain of.
import { test as base, expect } from '@playwright/test';
import { create } from './people.js';
import { Server } from './server.js';

export * from './people.js';
export { expect };

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
      const asked = (url) => {
        const { hostname, protocol } = new URL(url);
        if (hostname !== '127.0.0.1' && !['blob:', 'data:'].includes(protocol)) complaints.push(url);
      };
      context.on('request', (request) => asked(request.url()));
      context.on('page', (page) => page.on('websocket', (socket) => asked(socket.url())));
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
