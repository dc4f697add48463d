import { expect, test } from 'vitest';
import { isEmoji, pieces, sizeOf } from './text.ts';

const links = (text: string) => pieces(text).flatMap(({ href }) => href ?? []);

test('addresses are cut out of a text, and nothing of it is lost', () => {
  const text = 'See https://example.org/a?b=1.\nOr example.org, or write to bob@example.org!';
  expect(
    pieces(text)
      .map((piece) => piece.text)
      .join(''),
  ).toBe(text);
  expect(links(text)).toEqual(['https://example.org/a?b=1', 'https://example.org', 'mailto:bob@example.org']);
});

test('only addresses that a page may open are links', () => {
  for (const text of [
    'javascript:alert(1)',
    'data:text/html,<b>',
    'file:///etc/passwd',
    'blob:https://x',
    '<a href="x">',
  ])
    expect(links(text).filter((href) => !/^(https?|mailto):/.test(href))).toEqual([]);
  expect(links('javascript:alert(1)')).toEqual([]);
});

test('a message of nothing but links, or lines, has few pieces', () => {
  for (const text of ['example.org '.repeat(20_000), '\n'.repeat(100_000)]) {
    const cut = pieces(text);
    expect(cut.length).toBeLessThanOrEqual(201);
    expect(cut.map((piece) => piece.text).join('')).toBe(text);
  }
  expect(links('example.org '.repeat(20_000))).toHaveLength(100);
});

test('one to six emoji alone are large', () => {
  for (const text of ['👋', '👩‍👩‍👧', '🇨🇭 🇫🇷', '☔️', '1️⃣', '👍🏽👍🏽👍🏽👍🏽👍🏽👍🏽'])
    expect(isEmoji(text), text).toBe(true);
  for (const text of ['', ' ', '1', '12', '#', 'ok 👍', '👍👍👍👍👍👍👍', '©a', '👍'.repeat(200)])
    expect(isEmoji(text), text).toBe(false);
});

test('sizes as people say them', () => {
  expect([0, 999, 1000, 480_000, 1_440_000].map(sizeOf)).toEqual([
    '0 B',
    '999 B',
    '1 kB',
    '480 kB',
    '1.4 MB',
  ]);
});
