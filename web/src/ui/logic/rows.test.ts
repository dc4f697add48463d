import { expect, test } from 'vitest';
import type { Item } from '../../client/types.ts';
import { firstUnread, rowsOf } from './rows.ts';

const noon = new Date(2026, 10, 21, 12).getTime();
const MINUTE = 60_000;

/** `m`: mine, `r`: another's, `x`: one that failed its check; and the minute of each. */
function items(...said: readonly (readonly [kind: string, minute: number])[]): Item[] {
  return said.map(([kind, minute], order) => ({
    order,
    id: `${order}`,
    mine: kind === 'm',
    at: noon + minute * MINUTE,
    state: kind === 'm' ? 'stored' : kind === 'x' ? 'refused' : 'received',
    text: 'said',
  }));
}

const ends = (list: Item[]) =>
  rowsOf(list, false).flatMap((row) =>
    row.kind === 'message' ? `${row.first ? '(' : ''}${row.item.id}${row.last ? ')' : ''}` : [],
  );

test('what one person says within five minutes stands together', () => {
  expect(ends(items(['r', 0], ['r', 1], ['m', 2], ['r', 3], ['r', 9]))).toEqual([
    '(0',
    '1)',
    '(2)',
    '(3)',
    '(4)',
  ]);
  expect(ends(items(['r', 0], ['x', 1], ['r', 2]))).toEqual(['(0)', '(1)', '(2)']);
});

test('each day has a title before its first message', () => {
  const day = 24 * 60;
  const rows = rowsOf(items(['r', 0], ['r', 1], ['m', day], ['m', 3 * day]), true);
  expect(rows.map(({ kind }) => kind)).toEqual([
    'begin',
    'day',
    'message',
    'message',
    'day',
    'message',
    'day',
    'message',
  ]);
  expect(new Set(rows.map(({ key }) => key)).size).toBe(rows.length);
  expect(rowsOf([], false)).toEqual([]);
});

test('one goes on reading at the first message of others that is unread', () => {
  const list = items(['r', 0], ['m', 1], ['r', 2], ['m', 3], ['r', 4]);
  expect(firstUnread(list, 2)).toBe('2');
  const replay: Item = { ...(list[4] as Item), id: '5', state: 'refused', error: 'already_seen' };
  expect(firstUnread([...list, replay], 1)).toBe('4');
  expect(firstUnread(list, 0)).toBeUndefined();
  expect(firstUnread(list, 4)).toBeUndefined();
  const kinds = rowsOf(list, false, '2').map((row) => (row.kind === 'message' ? row.item.id : row.kind));
  expect(kinds).toEqual(['day', '0', '1', 'unread', '2', '3', '4']);
});
