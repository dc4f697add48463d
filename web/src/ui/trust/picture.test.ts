import { expect, test } from 'vitest';
import { pictureOf } from './picture.ts';

test('a key has one picture, and another key another one', () => {
  const keys = Array.from({ length: 500 }, (_, n) => `ed25519:${n.toString(16).padStart(64, '0')}`);
  const drawn = keys.map((key) => JSON.stringify(pictureOf(key)));
  expect(new Set(drawn).size).toBe(keys.length);
  expect(pictureOf(keys[7] as string)).toEqual(JSON.parse(drawn[7] as string));
  for (const key of keys) {
    const { ground, tiles } = pictureOf(key);
    expect(tiles).toHaveLength(9);
    expect(tiles.map(({ colour }) => colour)).not.toContain(ground);
  }
});
