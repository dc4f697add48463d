// Pictures of every page at two sizes, light and dark, and what axe finds on them. The pages are the real ones, at a real server, with people who write.
// Usage: node screenshots.js FOLDER [PART-OF-A-NAME…]. Environment: as app/server.js, and CHROMIUM. Needs `npm run build` and `npm run build:library` in web/.
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { create, PASSPHRASE } from './app/people.js';
import { Server } from './app/server.js';
import { fill } from './pictures/talk.js';

const [folder, ...wanted] = process.argv.slice(2);
if (!folder) throw new Error('usage: node screenshots.js FOLDER [PART-OF-A-NAME…]');
mkdirSync(folder, { recursive: true });

const SIZES = { phone: { width: 390, height: 844 }, desk: { width: 1440, height: 900 } };
const SCHEMES = ['light', 'dark'];
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const findings = [];
const complaints = [];

const server = await new Server().start();
const { port } = new URL(server.url);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--host-resolver-rules=MAP chat.test 127.0.0.1'],
});

/** A page in a profile of its own. What it complains of ends up in the report. */
async function arrive(url = server.url) {
  const context = await browser.newContext({ viewport: SIZES.desk, locale: 'en-GB' });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on('pageerror', (error) => complaints.push(error.stack));
  page.on('console', (message) => {
    if (
      message.type() === 'error' &&
      !/Failed to load resource|ERR_INTERNET_DISCONNECTED/.test(message.text())
    )
      complaints.push(message.text());
  });
  await page.goto(url);
  return page;
}

/** All four pictures of what the page shows now. `prepare` is called at each size. */
async function shoot(page, name, prepare = async () => {}) {
  if (wanted.length > 0 && !wanted.some((part) => name.includes(part))) return;
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport);
    await prepare(size);
    for (const colorScheme of SCHEMES) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.evaluate(() => document.fonts.ready);
      await page.screenshot({ path: join(folder, `${name}.${size}.${colorScheme}.png`) });
      await scan(page, `${name}.${size}.${colorScheme}`);
    }
  }
  await page.setViewportSize(SIZES.desk);
}

async function scan(page, name) {
  // Evaluated by the debugger, which no policy of the page holds up.
  if (!(await page.evaluate('globalThis.axe !== undefined'))) await page.evaluate(`(() => {${axe}})()`);
  const { violations } = await page.evaluate(() => axe.run({ resultTypes: ['violations'] }));
  for (const { id, impact, nodes } of violations) {
    findings.push(
      `${name}: ${impact} ${id}\n  ${nodes.map(({ html, failureSummary }) => `${html}\n  ${failureSummary}`).join('\n  ')}`,
    );
  }
}

const connection = (page) => page.getByRole('status', { name: 'Connection' });
const button = (page, name) => page.getByRole('button', { name, exact: true });

try {
  await shoot(await arrive(`http://chat.test:${port}`), '00-insecure');

  const page = await arrive();
  await button(page, 'Create account').waitFor();
  await shoot(page, '01-welcome');
  const words = await create(page, 'alice', (name) => shoot(page, name));
  await connection(page).getByText('● live').waitFor();
  await shoot(page, '06-empty');

  const people = await fill(page, server.url);
  await shoot(page, '07-list');

  await button(page, 'New conversation').click();
  await shoot(page, '08-new');
  await page.getByRole('textbox', { name: 'To' }).fill('nobody-here');
  await button(page, 'Start').click();
  await page.getByText('Nobody has this handle').waitFor();
  await shoot(page, '09-new-wrong');
  await page.keyboard.press('Escape');

  await people.converse();
  await shoot(page, '10-chat');
  const top = () => page.getByRole('list', { name: 'Messages' }).evaluate((list) => list.scrollTo(0, 0));
  await shoot(page, '28-chat-top', top);
  await page
    .getByRole('textbox', { name: 'Message' })
    .fill('A draft that goes on\nover two lines, and is kept');
  await shoot(page, '11-chat-draft');
  await page.getByRole('textbox', { name: 'Message' }).fill('');

  await button(page, 'Show boathouse.png large').click();
  await shoot(page, '27-image');
  await page.keyboard.press('Escape');

  await page.context().setOffline(true);
  await connection(page).getByText('○ offline').waitFor();
  await page.getByRole('textbox', { name: 'Message' }).fill('This one waits for the network');
  await button(page, 'Send').click();
  await page.getByText('This one waits for the network').last().waitFor();
  await shoot(page, '12-offline');
  await page.context().setOffline(false);
  await connection(page).getByText('● live').waitFor();

  await button(page, 'Details of marta').click();
  await page.getByRole('list', { name: 'Fingerprint' }).waitFor();
  await shoot(page, '13-details');
  await button(page, 'Verify in person').click();
  await shoot(page, '14-verify-mine');
  await page.getByRole('radio', { name: 'Scan theirs' }).check();
  await shoot(page, '15-verify-scan');
  await page.getByRole('textbox', { name: 'Or paste' }).fill(people.code('jonas'));
  await button(page, 'Check').click();
  await page.getByRole('alert').waitFor();
  await shoot(page, '16-verify-wrong');
  await page.getByRole('textbox', { name: 'Or paste' }).fill(people.code('marta'));
  await button(page, 'Check').click();
  await page.getByText('is verified').waitFor();
  await shoot(page, '17-verified');
  await page.keyboard.press('Escape');

  await page.getByRole('textbox', { name: 'Search' }).fill('bridge');
  await page.getByText('Search results').waitFor();
  await shoot(page, '18-search', async (size) => {
    if (size === 'phone') await page.getByRole('button', { name: 'Back' }).click();
  });
  await button(page, 'Clear').click();

  await button(page, 'Settings').click();
  await page.getByText('Your log is empty').waitFor();
  await shoot(page, '19-settings');
  await people.settle();
  await shoot(page, '20-settings-identity', () =>
    page.getByRole('heading', { name: 'Identity' }).evaluate((node) => node.scrollIntoView()),
  );
  await page.keyboard.press('Escape');

  await people.changeKey();
  await shoot(page, '21-key-changed');
  await button(page, 'Compare keys').click();
  await page.getByRole('list', { name: 'Fingerprint' }).nth(1).waitFor();
  await shoot(page, '26-key-compared');
  await page.keyboard.press('Escape');

  await people.rotate('ines');
  await shoot(page, '29-key-proven');

  await people.garble();
  await shoot(page, '32-seen-before');
  await page.getByRole('list', { name: 'Conversations' }).getByText('Failed checks').click();
  await page.getByText('Nothing here can be answered').waitFor();
  await shoot(page, '33-refused');

  await button(page, 'Lock').click();
  await people.speakUp();
  await page.getByText('unread messages').waitFor();
  await shoot(page, '22-locked');
  await page.getByLabel('Passphrase').fill('something else');
  await button(page, 'Unlock').click();
  await page.getByRole('alert').waitFor();
  await shoot(page, '23-locked-wrong');

  await page.getByLabel('Passphrase').fill(PASSPHRASE);
  await button(page, 'Unlock').click();
  await people.replace(words);
  await shoot(page, '30-own-key-replaced', async (size) => {
    if (size === 'phone' && (await button(page, 'Back').isVisible())) await button(page, 'Back').click();
  });
  await button(page, 'Enter the new phrase').click();
  await shoot(page, '31-new-key');
  await page.keyboard.press('Escape');

  const other = await arrive();
  await button(other, 'Restore account').click();
  await shoot(other, '24-restore');
  await other.getByRole('textbox', { name: 'Recovery phrase' }).fill(`${words.slice(0, 11).join(' ')} zebra`);
  await other.getByLabel('Passphrase', { exact: true }).fill(PASSPHRASE);
  await button(other, 'Restore account').click();
  await other.getByRole('alert').waitFor();
  await shoot(other, '25-restore-wrong');
} finally {
  await browser.close();
  await server.drop();
}

for (const one of [...new Set(complaints)]) console.log(`complaint: ${one}`);
for (const one of findings) console.log(one);
const serious = findings.filter((one) => /^\S+: (serious|critical)/.test(one));
console.log(`${findings.length} findings, ${serious.length} serious; ${complaints.length} complaints`);
process.exitCode = serious.length + complaints.length > 0 ? 1 : 0;
