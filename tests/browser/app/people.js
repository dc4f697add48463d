// What people do at a page of the web client, by the names that everybody finds things by.
import { expect } from '@playwright/test';

export const PASSPHRASE = 'correct horse battery staple';

/** Creates an account, and gives the words of its phrase. `look` is called with the name of each step. It is done when mail streams. */
export async function create(page, handle, look) {
  const words = await begin(page, handle, look);
  await live(page);
  return words;
}

/** The same, whether or not mail streams then. */
export async function begin(page, handle, look = async () => {}, length = 12) {
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.getByRole('textbox', { name: 'Handle' }).waitFor();
  await look('02-create');
  await page.getByRole('textbox', { name: 'Handle' }).fill(handle);
  await page.getByRole('textbox', { name: 'Passphrase' }).fill(PASSPHRASE);
  await page.getByText('is free').waitFor();
  await look('03-create-filled');
  await page.getByRole('button', { name: 'Continue' }).click();
  const list = page.getByRole('list', { name: 'Your words' });
  await list.waitFor();
  if (length !== 12) await page.getByRole('radio', { name: `${length} words` }).check();
  await expect(list.getByRole('listitem')).toHaveCount(length);
  await look('04-phrase');
  const items = await list.getByRole('listitem').allInnerTexts();
  const words = items.map((item) => item.replace(/[^a-z]/g, ''));
  await page.getByRole('button', { name: 'I’ve written them down' }).click();
  for (const box of await page.getByRole('textbox', { name: /^Word \d+$/ }).all()) {
    const label = await box.evaluate((input) => input.labels[0].textContent);
    await box.fill(words[Number(label.match(/\d+/)[0]) - 1]);
  }
  await look('05-check');
  await page.getByRole('button', { name: 'Create account' }).click();
  return words;
}

export async function unlock(page) {
  await page.getByRole('textbox', { name: 'Passphrase' }).fill(PASSPHRASE);
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
