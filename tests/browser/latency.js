// How long it takes from a click on Send until the other person's page shows the message, over each transport: both pages in one browser on one machine,
// and so the whole way: sealing, the server's disk, the push, opening, drawing. Usage: node latency.js [COUNT]. Environment: as app/server.js, and CHROMIUM.
import { chromium } from 'playwright-core';
import { create, write } from './app/people.js';
import { Server } from './app/server.js';

const count = Number(process.argv[2] ?? 200);
const server = await new Server().start();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium' });

async function arrive(handle) {
  const page = await (await browser.newContext({ baseURL: server.url })).newPage();
  await page.goto('/');
  await create(page, handle);
  return page;
}

/** When this text is shown, by the clock that all pages of a machine share. */
const shown = (page, text) =>
  page.evaluate(
    (text) =>
      new Promise((resolve) => {
        const list = document.querySelector('[aria-label="Messages"]');
        const look = () => {
          if (list.textContent.includes(text)) {
            watch.disconnect();
            requestAnimationFrame(() => resolve(performance.timeOrigin + performance.now()));
          }
        };
        const watch = new MutationObserver(look);
        watch.observe(list, { childList: true, subtree: true, characterData: true });
        look();
      }),
    text,
  );

/** Clicks, and says when. */
const click = (page) =>
  page.getByRole('button', { name: 'Send' }).evaluate((button) => {
    const at = performance.timeOrigin + performance.now();
    button.click();
    return at;
  });

try {
  const [alice, bob] = [await arrive('alice'), await arrive('bobby')];
  console.log(
    `Chromium ${browser.version()}, ${count} messages each way of arriving\n             median ms      p99 ms`,
  );
  for (const transport of ['SSE', 'NATS']) {
    for (const page of [alice, bob]) {
      await page.getByRole('button', { name: 'Settings' }).click();
      await page.getByRole('radio', { name: new RegExp(transport) }).check();
      await page.keyboard.press('Escape');
      await page.getByRole('status', { name: 'Connection' }).getByText(transport).waitFor();
      await page.getByRole('status', { name: 'Connection' }).getByText('● live').waitFor();
      await write(page, page === alice ? 'bobby' : 'alice');
    }
    const times = [];
    for (let n = 0; n < count; n++) {
      const text = `${transport} ${n}.`;
      const arrived = shown(bob, text);
      await alice.getByRole('textbox', { name: 'Message' }).fill(text);
      const sent = await click(alice);
      times.push((await arrived) - sent);
    }
    times.sort((a, b) => a - b);
    const at = (share) =>
      times[Math.min(times.length - 1, Math.floor(times.length * share))].toFixed(1).padStart(12);
    console.log(transport.padEnd(10), at(0.5), at(0.99));
  }
} finally {
  await browser.close();
  await server.drop();
}
