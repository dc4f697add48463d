// How long it takes from a click on a conversation of many stored messages until its newest one is shown.
// Usage: node measure-history.js [COUNT]. Environment: as app/server.js, and CHROMIUM. The messages are put into the page's own database in its own form
// (web/README.md), sealed here: a server would keep 10,000 of them for a person.
import { chromium } from 'playwright-core';
import { xchacha20poly1305 } from '../../web/node_modules/@noble/ciphers/chacha.js';
import hashWasm from '../../web/node_modules/hash-wasm/dist/argon2.umd.min.js';
import { conversation, create, messages, PASSPHRASE, unlock, write } from './app/people.js';
import { Server } from './app/server.js';

const count = Number(process.argv[2] ?? 50_000);
const BATCH = 5000;
const ROUNDS = 20;
const server = await new Server().start();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium' });

/** In the page: what is kept under a name, with bytes as numbers. */
const kept = (page, name) =>
  page.evaluate(
    (name) =>
      new Promise((resolve) => {
        indexedDB.open('kez-chat').onsuccess = ({ target: { result: db } }) => {
          db.transaction('state').objectStore('state').get(name).onsuccess = ({ target }) => {
            db.close();
            const plain = (_, value) => (value instanceof Uint8Array ? [...value] : value);
            resolve(JSON.parse(JSON.stringify(target.result, plain)));
          };
        };
      }),
    name,
  );

async function historyKey(page) {
  const { salt, cost, box } = await kept(page, 'vault');
  const { primary } = await kept(page, 'account');
  const key = await hashWasm.argon2id({
    password: PASSPHRASE,
    salt: Uint8Array.from(salt),
    memorySize: cost.memoryKiB,
    iterations: cost.passes,
    parallelism: cost.lanes,
    hashLength: 32,
    outputType: 'binary',
  });
  const [nonce, sealed] = [Uint8Array.from(box.slice(0, 24)), Uint8Array.from(box.slice(24))];
  const about = new TextEncoder().encode(`vault ${primary}`);
  const opened = new TextDecoder().decode(xchacha20poly1305(key, nonce, about).decrypt(sealed));
  return Buffer.from(JSON.parse(opened).historyKey, 'hex');
}

/** A row of the nth message, its box in base64. */
function row(key, n) {
  const id = n.toString(16).padStart(32, '0');
  const nonce = crypto.getRandomValues(new Uint8Array(24));
  const text = JSON.stringify({ text: `Message ${n}. ${'Some words of it. '.repeat(n % 9)}` });
  const box = xchacha20poly1305(key, nonce, Buffer.from(`message ${id}`)).encrypt(Buffer.from(text));
  const at = Date.now() - 1000 * (count - n);
  const base64 = Buffer.concat([nonce, box]).toString('base64');
  return { order: n, id, mine: n % 3 === 0, at, state: n % 3 === 0 ? 'stored' : 'received', box: base64 };
}

/** In the page: stores rows at the end of the only conversation. */
const store = (rows) =>
  new Promise((resolve, reject) => {
    indexedDB.open('kez-chat').onsuccess = ({ target: { result: db } }) => {
      const tx = db.transaction(['messages', 'conversations'], 'readwrite');
      const conversations = tx.objectStore('conversations');
      conversations.getAll().onsuccess = ({ target }) => {
        const [peer] = target.result;
        for (const { box, ...row } of rows) {
          const bytes = Uint8Array.from(atob(box), (c) => c.charCodeAt(0));
          tx.objectStore('messages').add({ ...row, conversation: peer.id, box: bytes });
        }
        const last = rows.at(-1);
        conversations.put({ ...peer, count: last.order + 1, next: last.order + 1, lastAt: last.at });
      };
      tx.oncomplete = () => {
        db.close();
        resolve();
      };
      tx.onabort = () => reject(tx.error);
    };
  });

/** In the page: clicks on a conversation; milliseconds until this text is drawn. */
function opened(item, text) {
  const began = performance.now();
  const done = new Promise((resolve) => {
    const look = () => {
      const list = document.querySelector('[aria-label="Messages"]');
      if (!list?.textContent.includes(text)) return;
      watch.disconnect();
      requestAnimationFrame(() => resolve(performance.now() - began));
    };
    const watch = new MutationObserver(look);
    watch.observe(document.body, { childList: true, subtree: true, characterData: true });
  });
  (item.querySelector('button, a') ?? item).click();
  return done;
}

try {
  const page = await (await browser.newContext({ viewport: { width: 390, height: 844 } })).newPage();
  const bob = await (await browser.newContext()).newPage();
  await page.goto(server.url);
  await bob.goto(server.url);
  await create(bob, 'bobby');
  await create(page, 'alice');
  await write(page, 'bobby');
  const key = await historyKey(page);
  for (let from = 0; from < count; from += BATCH) {
    const rows = Array.from({ length: Math.min(BATCH, count - from) }, (_, n) => row(key, from + n));
    await page.evaluate(store, rows);
  }
  const times = [];
  for (let n = 0; n < ROUNDS; n++) {
    // Not loaded again: that would open what was open.
    await page.goto('about:blank');
    await page.goto(server.url);
    await unlock(page);
    const item = conversation(page, 'bobby');
    await item.waitFor();
    times.push(await item.evaluate(opened, `Message ${count - 1}.`));
    await messages(page).last().waitFor();
  }
  times.sort((a, b) => a - b);
  console.log(`Chromium ${browser.version()}, a conversation of ${count} messages, opened ${ROUNDS} times`);
  console.log(`median ${times[ROUNDS / 2].toFixed(0)} ms, longest ${times.at(-1).toFixed(0)} ms`);
} finally {
  await browser.close();
  await server.drop();
}
