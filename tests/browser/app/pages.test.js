import { conversation, expect, live, messages, PASSPHRASE, send, test, unlock, write } from './test.js';

const button = (page, name) => page.getByRole('button', { name, exact: true });
const box = (page) => page.getByRole('textbox', { name: 'Message' });

test('a draft is kept, and Enter sends what Shift+Enter gave lines', async ({ join }) => {
  const [alice, bob] = [await join('alice'), await join('bobby')];
  await write(alice.page, 'bobby');
  await box(alice.page).pressSequentially('one line');
  await box(alice.page).press('Shift+Enter');
  await box(alice.page).pressSequentially('and another');
  await expect(messages(alice.page).filter({ hasText: 'one line' })).toHaveCount(0);
  await box(alice.page).press('Enter');
  await conversation(bob.page, 'alice').click();
  await expect(messages(bob.page).getByText('one line\nand another', { exact: true })).toBeVisible();

  await box(alice.page).fill('half a thought');
  await button(alice.page, 'Settings').click();
  await expect(conversation(alice.page, 'bobby')).toContainText('half a thought');
  await alice.page.reload();
  await unlock(alice.page);
  await conversation(alice.page, 'bobby').click();
  await expect(box(alice.page)).toHaveValue('half a thought');
});

test('unread messages are counted in the title, until they are seen', async ({ join }) => {
  const [alice, bob] = [await join('alice'), await join('bobby')];
  await write(bob.page, 'alice');
  for (const text of ['one', 'two', 'three']) await send(bob.page, text);
  await expect(alice.page).toHaveTitle('(3) Kez Chat');
  await conversation(alice.page, 'bobby').click();
  await expect(alice.page).toHaveTitle('Kez Chat');
  await expect(messages(alice.page).first()).toBeVisible();
  await expect(alice.page.getByText('New messages')).toBeVisible();
});

test('whoever is blocked is neither counted nor answered, and a conversation is deleted here alone', async ({
  join,
}) => {
  const [alice, bob] = [await join('alice'), await join('bobby')];
  await write(alice.page, 'bobby');
  await send(alice.page, 'hello');
  await button(alice.page, 'Details of bobby').click();
  await button(alice.page, 'Block').click();
  await alice.page.keyboard.press('Escape');
  await expect(alice.page.getByText('You blocked bobby.')).toBeVisible();
  await expect(box(alice.page)).toHaveCount(0);
  await button(alice.page, 'Settings').click();
  await conversation(bob.page, 'alice').click();
  await send(bob.page, 'can you hear me?');
  await expect(conversation(alice.page, 'bobby')).toContainText('can you hear me?');
  await expect(alice.page).toHaveTitle('Kez Chat');

  await conversation(alice.page, 'bobby').click();
  await button(alice.page, 'Unblock').click();
  await expect(box(alice.page)).toBeVisible();
  await button(alice.page, 'Details of bobby').click();
  await button(alice.page, 'Delete conversation').click();
  await button(alice.page, 'Delete').click();
  await expect(conversation(alice.page, 'bobby')).toHaveCount(0);
  await expect(messages(bob.page).filter({ hasText: 'hello' })).toHaveCount(1);
});

test('two people compare their keys by their codes', async ({ join }) => {
  const [alice, bob, carol] = [await join('alice'), await join('bobby'), await join('carol')];
  const codeOf = async ({ page, handle }, other) => {
    await write(page, other);
    await button(page, `Details of ${other}`).click();
    await button(page, 'Verify in person').click();
    await expect(page.getByRole('img', { name: `QR code of ${handle}` })).toBeVisible();
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await button(page, 'Copy as text').click();
    await expect(button(page, 'Copied')).toBeVisible();
    return page.evaluate(() => navigator.clipboard.readText());
  };
  const [bobs, carols] = [await codeOf(bob, 'alice'), await codeOf(carol, 'alice')];

  const { page } = alice;
  await write(page, 'bobby');
  await button(page, 'Details of bobby').click();
  await button(page, 'Verify in person').click();
  await page.getByRole('radio', { name: 'Scan theirs' }).check();
  const check = async (code) => {
    await page.getByRole('textbox', { name: 'Or paste' }).fill(code);
    await button(page, 'Check').click();
  };
  await check('https://example.org');
  await expect(page.getByRole('alert')).toContainText('isn’t a Kez Chat code');
  await check(carols);
  await expect(page.getByRole('alert')).toContainText('another key');
  await check(bobs);
  await expect(page.getByText('bobby is verified')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByText('Key verified in person')).toBeVisible();
});

test('both see the same words and picture for a key', async ({ join }) => {
  const [alice, bob] = [await join('alice'), await join('bobby')];
  const look = async (page) => ({
    words: await page.getByRole('list', { name: 'Fingerprint' }).getByRole('listitem').allInnerTexts(),
    picture: await page.getByRole('img', { name: 'Picture of the key' }).innerHTML(),
  });
  await button(bob.page, 'Settings').click();
  await expect(bob.page.getByRole('list', { name: 'Fingerprint' })).toBeVisible();
  await write(alice.page, 'bobby');
  await button(alice.page, 'Details of bobby').click();
  await expect(alice.page.getByRole('list', { name: 'Fingerprint' })).toBeVisible();
  const seen = await look(alice.page);
  expect(seen.words).toHaveLength(8);
  expect(seen).toEqual(await look(bob.page));
});

test('settings: the phrase again, accounts in the log, a theme, and everything forgotten', async ({
  join,
}) => {
  const { page, words } = await join('alice');
  await button(page, 'Settings').click();
  await button(page, 'Show recovery phrase').click();
  await page.getByLabel('Passphrase', { exact: true }).fill('not the passphrase');
  await button(page, 'Show the words').click();
  await expect(page.getByRole('alert')).toContainText('isn’t the passphrase');
  await page.getByLabel('Passphrase', { exact: true }).fill(PASSPHRASE);
  await button(page, 'Show the words').click();
  const shown = page.getByRole('list', { name: 'Your words' }).getByRole('listitem');
  await expect(shown).toHaveCount(words.length);
  expect((await shown.allInnerTexts()).map((word) => word.replace(/[^a-z]/g, ''))).toEqual(words);

  await button(page, 'Add an account').click();
  const subject = page.getByRole('textbox', { name: 'Account or page' });
  await subject.fill('nonsense');
  await button(page, 'Add').click();
  await expect(page.getByRole('alert')).toContainText('github:');
  await subject.fill('github:Alice');
  await button(page, 'Add').click();
  await expect(page.getByText('github:alice', { exact: true })).toBeVisible();
  await button(page, 'Revoke github:alice').click();
  await button(page, 'Revoke').click();
  await expect(page.getByText('None yet.')).toBeVisible();
  await expect(page.getByText('Log: 2 entries')).toBeVisible();

  await page.getByRole('radio', { name: 'Dark' }).check();
  await page.reload();
  await unlock(page);
  await live(page);
  await expect(page.locator('body')).toHaveCSS('background-color', 'rgb(15, 20, 18)');

  await button(page, 'Forget this device').click();
  await button(page, 'Delete everything').click();
  await expect(button(page, 'Create account')).toBeVisible();
});

test('what is found leads to its message', async ({ join }) => {
  const [alice, bob] = [await join('alice'), await join('bobby')];
  await write(bob.page, 'alice');
  for (let n = 0; n < 40; n++) await send(bob.page, n === 3 ? 'the boathouse key' : `line ${n}`);
  await conversation(alice.page, 'bobby').click();
  await expect(messages(alice.page).filter({ hasText: 'line 39' })).toBeVisible();
  await alice.page.getByRole('textbox', { name: 'Search' }).fill('Key boathouse');
  const found = alice.page.getByRole('list', { name: 'Search results' });
  await found.getByRole('button').click();
  await expect(messages(alice.page).filter({ hasText: 'the boathouse key' })).toBeInViewport();
  await expect(button(alice.page, 'Jump to newest')).toBeVisible();

  // Who reads further up isn't moved by what comes.
  await send(bob.page, 'news');
  await expect(button(alice.page, 'Jump to newest, 1 new')).toBeVisible();
  await expect(messages(alice.page).filter({ hasText: 'the boathouse key' })).toBeInViewport();
  await button(alice.page, 'Jump to newest, 1 new').click();
  await expect(messages(alice.page).filter({ hasText: 'news' })).toBeInViewport();
});

test('an image is shown, and too large a file is refused', async ({ join }) => {
  const [alice, bob] = [await join('alice'), await join('bobby')];
  await write(alice.page, 'bobby');
  const pixels = await alice.page.screenshot();
  const choose = (file) => alice.page.locator('input[type=file]').setInputFiles(file);
  await choose({ name: 'page.png', mimeType: 'image/png', buffer: pixels });
  await expect(button(alice.page, 'Show page.png large')).toBeVisible();
  await conversation(bob.page, 'alice').click();
  await button(bob.page, 'Show page.png large').click();
  const large = bob.page.getByRole('dialog', { name: 'Image page.png' });
  await expect(large.getByRole('img')).toHaveJSProperty('naturalWidth', 1440);
  await choose({ name: 'big.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(11e6) });
  await expect(alice.page.getByRole('alert')).toContainText('larger than 10 MB');
});
