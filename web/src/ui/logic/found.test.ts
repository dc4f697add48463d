import { expect, test } from 'vitest';
import { around } from './found.ts';

test('what was found stands near the beginning of the line', () => {
  expect(around('The Bridge', 'bridge')).toEqual(['The ', 'Bridge', '']);
  const long = 'One sentence that goes on and on before it comes to\nthe bridge, at last';
  const [before, found, after] = around(long, 'bridge');
  expect([found, after]).toEqual(['bridge', ', at last']);
  expect(before).toMatch(/^…\S.{10,30} $/);
});

test('words that are apart are found by the first of them', () => {
  expect(around('a map of the harbour', 'harbour map')).toEqual(['a map of the ', 'harbour', '']);
  expect(around('nothing of it', 'xyz')).toEqual(['nothing of it', '', '']);
});
