import { expect, test } from 'vitest';
import { backoff } from './backoff.ts';

test('delays double, end, and are spread', () => {
  const many = (failures: number) => Array.from({ length: 500 }, () => backoff(failures, 500, 30_000, 4));
  const within = (delays: number[], least: number, most: number) =>
    Math.min(...delays) >= least && Math.max(...delays) <= most;
  expect(within(many(0), 500, 2_500)).toBe(true);
  expect(within(many(1), 1_000, 5_000)).toBe(true);
  expect(within(many(20), 30_000, 60_000)).toBe(true);
  expect(Math.max(...many(0))).toBeGreaterThan(2_000);
  expect(Math.min(...many(0))).toBeLessThan(1_000);
});
