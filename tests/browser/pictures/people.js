// Creating an account at a page.

export const PASSPHRASE = 'harbour velvet umbrella thirty acid';

const button = (page, name) => page.getByRole('button', { name, exact: true });

/** Creates an account, and gives its words. `look` is called with the name of each step. */
export async function create(page, handle, look) {
  await button(page, 'Create account').click();
  await page.getByRole('textbox', { name: 'Handle' }).waitFor();
  await look('02-create');
  await page.getByRole('textbox', { name: 'Handle' }).fill(handle);
  await page.getByLabel('Passphrase', { exact: true }).fill(PASSPHRASE);
  await page.getByText('is free').waitFor();
  await look('03-create-filled');
  await button(page, 'Continue').click();
  const list = page.getByRole('list', { name: 'Your words' });
  await list.waitFor();
  await look('04-phrase');
  const items = await list.getByRole('listitem').allInnerTexts();
  const words = items.map((item) => item.replace(/[^a-z]/g, ''));
  await button(page, 'I’ve written them down').click();
  const boxes = await page.getByRole('textbox', { name: /^Word \d+$/ }).all();
  for (const box of boxes) {
    const label = await box.evaluate((input) => input.labels[0].textContent);
    await box.fill(words[Number(label.match(/\d+/)[0]) - 1]);
  }
  await look('05-check');
  await button(page, 'Create account').click();
  return words;
}
