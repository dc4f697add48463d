// What sealing costs in Chromium, with the built library, for texts of several lengths. Environment: CHROMIUM, if it isn't on the PATH.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { chromium } from 'playwright-core';

const library = readFileSync(new URL('../../web/dist-library/kez.js', import.meta.url));
const server = createServer(({ url }, answer) => {
  const script = url === '/kez.js';
  answer
    .setHeader('content-type', script ? 'text/javascript' : 'text/html')
    .end(script ? library : '<title>measure</title>');
}).listen(0, '127.0.0.1');
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium' });
const page = await browser.newPage();
await page.goto(`http://127.0.0.1:${server.address().port}/`);

/** In the page: how often a second each of the two is done. */
async function measured(bytes) {
  const { compose, Identity, Opener, seal } = await import('/kez.js');
  const [alice, bob] = [Identity.generate(), Identity.generate()];
  const opener = new Opener(bob);
  const message = compose(alice, bob.primary, 'x'.repeat(bytes));
  const envelope = JSON.stringify(await seal(alice, message));
  const rate = async (work) => {
    await work();
    const began = performance.now();
    let times = 0;
    for (; performance.now() - began < 2000; times++) await work();
    return Math.round((times * 1000) / (performance.now() - began));
  };
  return [
    bytes,
    envelope.length,
    await rate(() => seal(alice, message)),
    await rate(() => opener.open(envelope, message.sent_at)),
  ];
}

console.log(`Chromium ${browser.version()}\nbytes of text   of envelope    sealed/s    opened/s`);
for (const bytes of [10, 400, 1000, 10_000, 100_000, 179_000]) {
  const row = await page.evaluate(measured, bytes);
  console.log(row.map((n) => String(n).padStart(12)).join(''));
}
await browser.close();
server.close();
