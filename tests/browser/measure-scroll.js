// How smoothly a long conversation scrolls: up through all of it, while older messages are loaded, and down again with all of them there.
// Usage: node measure-scroll.js [COUNT]. Environment: as app/server.js, and CHROMIUM. Needs `npm run build:library` in web/.
import { chromium } from 'playwright-core';
import * as kez from '../../web/dist-library/kez.js';
import { conversation, create, messages } from './app/people.js';
import { Server } from './app/server.js';

const count = Number(process.argv[2] ?? 5000);
/** Requests under way at once. */
const AT_ONCE = 8;
const server = await new Server().start();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium' });

/** Somebody writes messages of one to six lines. */
async function fill() {
  const { primary } = await kez.lookup(server.url, 'alice');
  const bob = kez.Identity.generate();
  await kez.register(server.url, 'kez.lat', 'bobby', bob);
  const token = await (await kez.Session.begin(server.url, 'kez.lat', bob, 3600)).token();
  let next = 0;
  const write = async () => {
    while (next < count) {
      const n = next++;
      const text = `Message ${n}. ${'Some words that fill a line. '.repeat((n * 7) % 13)}`;
      await kez.send(server.url, token, 'alice', await kez.seal(bob, kez.compose(bob, primary, text)));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, write));
}

/** In the page: scrolls by so many pixels a frame until it can't, and how long the frames took. */
async function scroll(step) {
  const list = document.querySelector('[role=list][aria-label="Messages"]');
  const frames = [];
  let still = 0;
  let before = await new Promise(requestAnimationFrame);
  // At the end of what is loaded more may come: half a second without a move is the end.
  while (still < 30) {
    const top = list.scrollTop;
    list.scrollBy(0, step);
    const now = await new Promise(requestAnimationFrame);
    if (list.scrollTop === top) still++;
    else still = 0;
    frames.push(now - before);
    before = now;
  }
  frames.sort((a, b) => a - b);
  const at = (share) => frames[Math.floor((frames.length - 1) * share)].toFixed(1);
  const late = (100 * frames.filter((frame) => frame > 25).length) / frames.length;
  return [frames.length, at(0.5), at(0.99), at(1), `${late.toFixed(2)} %`];
}

try {
  const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
  await page.goto(server.url);
  await create(page, 'alice');
  await fill();
  await page.waitForFunction((title) => document.title === title, `(${count}) Kez Chat`, { timeout: 60_000 });
  await conversation(page, 'bobby').click();
  await messages(page).last().waitFor();
  console.log(`Chromium ${browser.version()}, ${count} messages`);
  console.log('            frames   median ms      p99 ms      max ms    later than 25 ms');
  for (const [name, step] of [
    ['up', -300],
    ['down', 300],
  ]) {
    const row = await page.evaluate(scroll, step);
    console.log(name.padEnd(6), ...row.map((value) => `${value}`.padStart(11)));
  }
} finally {
  await browser.close();
  await server.drop();
}
