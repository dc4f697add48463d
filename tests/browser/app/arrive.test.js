import {
  begin,
  conversation,
  expect,
  live,
  messages,
  PASSPHRASE,
  send,
  test,
  unlock,
  write,
} from './test.js';

test('a new person: a handle, a phrase that is asked for, and a page that unlocks again', async ({
  join,
  arrive,
}) => {
  const { page, words } = await join('alice');
  expect(words).toHaveLength(12);

  await page.reload();
  await page.getByRole('textbox', { name: 'Passphrase' }).fill('not the passphrase');
  await page.getByRole('button', { name: 'Unlock' }).click();
  await expect(page.getByRole('alert')).toBeVisible();
  await unlock(page);
  await live(page);
  await page.getByRole('button', { name: 'Lock' }).click();
  await expect(page.getByRole('button', { name: 'Unlock' })).toBeVisible();

  // The name is taken now, and says so before anything is made.
  const other = await arrive();
  await other.getByRole('button', { name: 'Create account' }).click();
  await other.getByRole('textbox', { name: 'Handle' }).fill('alice');
  await expect(other.getByText(/taken/i)).toBeVisible();
});

test('the words of a phrase are checked', async ({ arrive }) => {
  const page = await arrive();
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.getByRole('textbox', { name: 'Handle' }).fill('alice');
  await page.getByRole('textbox', { name: 'Passphrase' }).fill(PASSPHRASE);
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByRole('button', { name: 'I’ve written them down' }).click();
  for (const box of await page.getByRole('textbox', { name: /^Word \d+$/ }).all()) await box.fill('zebra');
  await page.getByRole('button', { name: 'Create account' }).click();
  await expect(page.getByRole('alert').first()).toBeVisible();
  await expect(page.getByRole('status', { name: 'Connection' })).toHaveCount(0);
});

/** Brings an account back, until its mail streams. */
async function restore(page, words) {
  await page.getByRole('button', { name: 'Restore account' }).click();
  await page.getByRole('textbox', { name: 'Recovery phrase' }).fill(words.join(' '));
  await page.getByRole('textbox', { name: 'Passphrase' }).fill(PASSPHRASE);
  await page.getByRole('button', { name: 'Restore account' }).click();
  await live(page);
}

test('twenty-four words bring an account back, and other words don’t', async ({ arrive }) => {
  const words = await begin(await arrive(), 'alice', undefined, 24);
  const second = await arrive();
  await second.getByRole('button', { name: 'Restore account' }).click();
  await second.getByRole('textbox', { name: 'Recovery phrase' }).fill([...words].reverse().join(' '));
  await second.getByRole('textbox', { name: 'Passphrase' }).fill(PASSPHRASE);
  await second.getByRole('button', { name: 'Restore account' }).click();
  await expect(second.getByRole('alert').first()).toBeVisible();
  await second.reload();
  await restore(second, words);
});

test('a second device has the account from its phrase, and what was written before', async ({
  join,
  arrive,
}) => {
  const alice = await join('alice');
  const bob = await join('bobby');
  await write(bob.page, 'alice');
  await send(bob.page, 'before the second device');
  await expect(messages(alice.page)).toHaveCount(0);
  await expect(conversation(alice.page, 'bobby')).toBeVisible();

  const second = await arrive();
  await restore(second, alice.words);
  await conversation(second, 'bobby').click();
  await expect(messages(second).filter({ hasText: 'before the second device' })).toBeVisible();

  // What is written on one device is on the other, too.
  await send(second, 'from the second');
  await conversation(alice.page, 'bobby').click();
  await expect(messages(alice.page).filter({ hasText: 'from the second' })).toBeVisible();
  await expect(messages(bob.page).filter({ hasText: 'from the second' })).toBeVisible();
});
