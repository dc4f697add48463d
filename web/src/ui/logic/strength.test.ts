import { expect, test } from 'vitest';
import { strengthOf } from './strength.ts';

test('a hint that grows with what a guesser must try', () => {
  const said = (text: string) => strengthOf(text);
  expect(['', 'abc', 'seven77'].map(said)).toEqual(['short', 'short', 'short']);
  expect(
    ['password', 'aaaaaaaaaaaa', '1234567890', 'summer2026', 'passwordpassword'].map(said),
  ).not.toContain('strong');
  expect(['password', 'aaaaaaaaaaaa', '1234567890', 'abcdefghijkl'].map(said)).toEqual(Array(4).fill('weak'));
  expect(said('same same same same same')).toBe('weak');
  expect(said('harbour velvet umbrella thirty')).toBe('fair');
  expect(said('harbour velvet umbrella thirty acid')).toBe('strong');
});
