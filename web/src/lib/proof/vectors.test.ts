// Proofs and bundles that the reference implementation of zstd packed.

import { expect, test } from 'vitest';
import golden from '../../../../proto-schemas/vectors/golden.json';
import vectors from '../../../../proto-schemas/vectors/proofs.json';
import { base64url, utf8 } from '../bytes.ts';
import * as chainExport from '../chain/export.ts';
import { Chain, verifyClaim } from '../chain/index.ts';
import { parseStrict } from '../json.ts';
import { CHAIN_EVENTS, EVENT_BYTES } from '../limits.ts';
import { decode, fromTxt, toMarkdown, txtHost } from './index.ts';
import { Undecodable } from './undecodable.ts';

const failed = (code: Undecodable['code']) => new Undecodable(code);
/** One frame of these blocks, each with its header, under a window of 128 KiB. */
const framed = (blocks: Iterable<number>) => Uint8Array.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x38, ...blocks]);

test('proofs packed elsewhere are read', async () => {
  expect(vectors.claims.length).toBeGreaterThan(20);
  for (const vector of vectors.claims) {
    const { name, outcome } = vector;
    const read = vector.txt ? fromTxt(vector.txt) : decode(vector.text ?? '');
    const decoded = await read.catch((error: unknown) => error);
    const claim = golden.claims.find((claim) => claim.name === outcome);
    if (!claim) {
      expect(decoded, name).toBeInstanceOf(Undecodable);
      expect(decoded, name).toMatchObject({ code: outcome });
      continue;
    }
    expect(decoded, name).toBeInstanceOf(Uint8Array);
    expect(parseStrict(decoded as Uint8Array), name).toEqual(JSON.parse(claim.document));
    verifyClaim(decoded as Uint8Array);
  }
});

test('the golden chain is read from its bundle and from its lines', async () => {
  const events = golden.chain.events.map(utf8);
  const lines = chainExport.toLines(events);
  for (const text of [vectors.bundle, `\n${vectors.bundle}\n`, lines, lines.replaceAll('\n', '\r\n\n')]) {
    const read = await chainExport.decode(text);
    expect(read).toEqual(events);
    expect(Chain.verify(read).primary).toBe(golden.chain.primary);
  }
});

test('a page with a proof', async () => {
  for (const { document } of golden.claims) {
    for (const form of [document, toMarkdown(document), `# Alice\n\n${toMarkdown(` ${document}\n`)}`]) {
      expect(await decode(form)).toEqual(utf8(document));
    }
  }
  const json = '{"kez":"claim"}';
  for (const page of [
    `# Me\r\n\r\n\`\`\`\` kez proof\r\n  ${json}  \r\n\`\`\`\`\r\nbye`,
    `\`\`\`js\n\`\`\`\n~~~kez\n\n${json}\n\n~~~~`,
    `\`\`\`\`md\n\`\`\`kez\nnot this\n\`\`\`\n\`\`\`\`\n- item\n  \`\`\`kez\n  ${json}\n  \`\`\``,
  ]) {
    expect(await decode(page), page).toEqual(utf8(json));
  }
  for (const page of [
    '',
    'kez',
    '```\nkez\n```',
    '```kezzy\n{}\n```',
    '``kez {}``',
    '````\n```kez\n{}\n```\n',
  ]) {
    await expect(decode(page), page).rejects.toEqual(failed('absent'));
  }
  for (const page of [
    '```kez',
    '```kez\n{}',
    '```kez\n```',
    '```kez\n{\n```',
    '~~~kez\n{}\n```',
    '```kez\nkez:z1:x\n```',
    '\u{7b}',
    'kez:z9:AAAA',
  ]) {
    await expect(decode(page), page).rejects.toEqual(failed('corrupt'));
  }
  await expect(decode(`{"a":"${'x'.repeat(16 * 1024)}"}`)).rejects.toEqual(failed('too_large'));
  await expect(decode('\ufeff{}')).rejects.toEqual(failed('absent'));
  expect(txtHost('example.org')).toBe('_kez.example.org');
  const word = vectors.claims[0]?.text ?? '';
  await expect(fromTxt([[word], [word]])).rejects.toEqual(failed('corrupt'));
});

test('damage of a compact proof is noticed', async () => {
  const word = vectors.claims[0]?.text ?? '';
  const json = await decode(word);
  for (let at = 'kez:z1:'.length; at < word.length; at++) {
    const damaged = word.slice(0, at) + (word[at] === 'A' ? 'B' : 'A') + word.slice(at + 1);
    const decoded = await decode(damaged).catch((error: unknown) => error);
    // The checksum is over what was inflated: a change that inflates to the same is none.
    if (decoded instanceof Undecodable) continue;
    expect(decoded, `at ${at}`).toEqual(json);
  }
});

test('lines are bounded', async () => {
  const many = '{}\n'.repeat(CHAIN_EVENTS);
  expect(chainExport.fromLines(many)).toHaveLength(CHAIN_EVENTS);
  for (const [text, code] of [
    [' \n', 'absent'],
    ['{}\nhello', 'corrupt'],
    [`${many}{}`, 'too_large'],
    [`{${' '.repeat(EVENT_BYTES)}}`, 'too_large'],
    ['kez:zc1:AAAA', 'corrupt'],
    ['kez:zc1:', 'corrupt'],
  ] as const) {
    await expect(chainExport.decode(text)).rejects.toEqual(failed(code));
  }
  const event = utf8('{ "b":1, "a":[1.0] }');
  expect(chainExport.toLines([event])).toBe('{"a":[1],"b":1}\n');
  expect(() => chainExport.toLines(Array(CHAIN_EVENTS + 1).fill(utf8('{}')))).toThrow(/too_large/);
  expect(() => chainExport.toLines([utf8('{"a":1,"a":2}')])).toThrow(/duplicate_key/);
});

test('what is made to hold a reader up is refused at once', async () => {
  const repeat = (count: number, block: number[]) => Array.from({ length: count }, () => block).flat();
  // 128 KiB of one letter in four bytes; blocks of nothing; and a block of 98,047 matches of 65,539 bytes, which takes nothing from its stream.
  const letters = [0x02, 0x00, 0x10, 0x7b];
  const matches = [0x55, 0, 0, 0x00, 0xff, 0xff, 0xff, 0x54, 0, 2, 52, 1, 1];
  const nothing = [0, 0, 0];
  for (const [blocks, code] of [
    [[...repeat(130, letters), 1, 0, 0], 'too_large'],
    [[...repeat(10_000, letters), 1, 0, 0], 'too_large'],
    [[...repeat(1_000_000, nothing), 1, 0, 0], 'too_large'],
    [matches, 'corrupt'],
    [repeat(200, matches.with(0, 0x54)), 'corrupt'],
    [[...repeat(200, matches.with(0, 0x54)), 1, 0, 0], 'corrupt'],
    [[7, 0, 0], 'corrupt'],
    [letters, 'corrupt'],
    [[], 'corrupt'],
  ] as const) {
    const bundle = chainExport.BUNDLE_PREFIX + base64url(framed(blocks));
    await expect(chainExport.decode(bundle), `${blocks.slice(0, 20)}`).rejects.toEqual(failed(code));
  }
});
