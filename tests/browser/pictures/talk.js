// People who write to the one at the page, by the client library, and what is said.
import { readFileSync } from 'node:fs';
import * as kez from '../../../web/dist-library/kez.js';

const DOMAIN = 'kez.lat';

/** Lets the log of a key, and with it the handle, go on under the next one. */
export async function succeed(api, identity, next) {
  const path = `${api}/v1/sigchains/${identity.primary.replace(':', '/')}`;
  const answer = await fetch(path);
  const { events } = answer.ok ? await answer.json() : { events: [] };
  const bytes = events.map((event) => new TextEncoder().encode(JSON.stringify(event)));
  const chain = bytes.length > 0 ? kez.Chain.verify(bytes) : undefined;
  const event = kez.signRotation(chain, kez.timestamp(new Date()), identity, next);
  const taken = await fetch(path, {
    method: 'POST',
    body: JSON.stringify(event),
    headers: { 'content-type': 'application/json' },
  });
  if (!taken.ok) throw new Error(await taken.text());
}

/** Registers some people; they begin to write. */
export async function fill(page, api) {
  const { primary } = await kez.lookup(api, 'alice');
  const people = new Map();
  for (const handle of ['marta', 'jonas', 'priya_k', 'tomasz', 'the-reading-group', 'ines']) {
    const identity = kez.Identity.generate();
    await kez.register(api, DOMAIN, handle, identity);
    const session = await kez.Session.begin(api, DOMAIN, identity, 3600);
    people.set(handle, { identity, token: await session.token() });
  }

  const said = async (handle, text) => {
    const { identity, token } = people.get(handle);
    const sealed = await kez.seal(identity, kez.compose(identity, primary, text));
    await kez.send(api, token, 'alice', sealed);
  };
  const opened = (handle) =>
    page.getByRole('list', { name: 'Conversations' }).getByRole('button', { name: handle });
  const write = async (text) => {
    await page.getByRole('textbox', { name: 'Message' }).fill(text);
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await page.getByText(text.split('\n')[0]).last().waitFor();
  };
  const heard = (text) => page.getByText(text).first().waitFor();

  await said('the-reading-group', 'Chapter nine for Thursday, then?');
  await said('tomasz', 'https://example.org/photos/summer has all the pictures');
  await said('ines', '🎉');
  await said('jonas', 'The train leaves at 14:05 from platform 7.');
  await said('jonas', 'I have your ticket.');
  await said(
    'priya_k',
    'Could you look over the second draft before Friday? I moved the part about the bridge to the end.',
  );
  await said('marta', 'Did you get home all right?');
  await heard('Did you get home all right?');

  return {
    /** A conversation with most of what one can hold, which is left open. */
    async converse() {
      await opened('marta').click();
      await heard('Did you get home all right?');
      await write('Yes! Just in time, it began to rain when I closed the door.');
      await write('☔️');
      await said('marta', 'Lucky you. We’re still under the bridge, waiting for it to stop.');
      await said(
        'marta',
        'Three things for tomorrow:\n– the key of the boathouse\n– something warm\n– the map, mine is soaked',
      );
      await heard('Three things for tomorrow');
      await write('Noted. The map is here too: https://example.org/maps/harbour?sheet=12');
      await write('Shall we meet at eight, or is that too early after a night like this?');
      await said('marta', 'Eight is fine. Jonas will be late anyway 😄');
      await heard('Jonas will be late anyway');
      const image = readFileSync(new URL('../../../web/public/icon-maskable-512.png', import.meta.url));
      await page.locator('input[type=file]').setInputFiles([
        { name: 'boathouse.png', mimeType: 'image/png', buffer: image },
        { name: 'Tides and times 2026.pdf', mimeType: 'application/pdf', buffer: Buffer.alloc(480_000, 7) },
      ]);
      await heard('Tides and times 2026.pdf');
      await said('marta', 'Perfect, thank you!');
      await heard('Perfect, thank you!');
    },

    code(handle) {
      return `kez:verify:${DOMAIN}:${handle}:${people.get(handle).identity.primary}`;
    },

    /** Entries of an identity log, made at the page. */
    async settle() {
      for (const subject of ['github:alice', 'dns:alice.example']) {
        await page.getByRole('button', { name: 'Add an account' }).click();
        await page.getByRole('textbox', { name: 'Account or page' }).fill(subject);
        await page.getByRole('button', { name: 'Add', exact: true }).click();
        await heard(subject);
      }
    },

    /** The server names another key for somebody, whose log proves nothing. */
    async changeKey() {
      const stranger = kez.Identity.generate();
      await page.route('**/v1/u/jonas', async (route) => {
        const response = await route.fetch();
        await route.fulfill({ json: { ...(await response.json()), primary: stranger.primary } });
      });
      await opened('jonas').click();
      await page.getByText('jonas has a new key').waitFor();
    },

    /** Somebody goes on under another key, as their log proves, and writes. */
    async rotate(handle) {
      const person = people.get(handle);
      const identity = kez.Identity.generate();
      await succeed(api, person.identity, identity);
      const session = await kez.Session.begin(api, DOMAIN, identity, 3600);
      people.set(handle, { identity, token: await session.token() });
      await said(handle, 'New phone, new key.');
      await opened(handle).click();
      await page.getByText(`${handle} has a new key`).waitFor();
    },

    /** The one at the page goes on under another key on another device. */
    async replace(words) {
      const identity = kez.Identity.fromSeed(kez.mnemonic.seed(words.join(' ')));
      await succeed(api, identity, kez.Identity.generate());
      await page.getByText('Your key has no handle here any more').waitFor();
    },

    /** Something comes that was sealed for nobody, and the very same message twice. */
    async garble() {
      const { identity, token } = people.get('priya_k');
      await kez.send(api, token, 'alice', { v: 2, enc: 'YQ', ct: 'YQ' });
      const message = kez.compose(identity, primary, 'Sent once.');
      for (let n = 0; n < 2; n++) await kez.send(api, token, 'alice', await kez.seal(identity, message));
      await opened('priya_k').click();
      await page.getByText('A message failed its check').waitFor();
    },

    async speakUp() {
      await said('ines', 'Are you there?');
      await said('ines', 'It’s about tomorrow.');
    },
  };
}
