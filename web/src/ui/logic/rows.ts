// What stands in the list of messages: messages in groups, with a title before the first one of each day.

import { type Item, REPLAY } from '../../client/types.ts';
import { dayOf } from './day.ts';

export type Row =
  | { readonly kind: 'begin'; readonly key: string }
  | { readonly kind: 'unread'; readonly key: string }
  | { readonly kind: 'day'; readonly key: string; readonly at: number }
  | {
      readonly kind: 'message';
      readonly key: string;
      readonly item: Item;
      /** Whether a group begins or ends with it: what one person said within five minutes. */
      readonly first: boolean;
      readonly last: boolean;
    };

const GROUP = 5 * 60_000;

const together = (a: Item | undefined, b: Item | undefined) =>
  a !== undefined &&
  b !== undefined &&
  a.mine === b.mine &&
  a.state !== 'refused' &&
  b.state !== 'refused' &&
  Math.abs(a.at - b.at) < GROUP &&
  dayOf(a.at) === dayOf(b.at);

/** The first of the last `count` messages of others; undefined where they aren't all here. */
export function firstUnread(items: readonly Item[], count: number): string | undefined {
  const others = items.filter(({ mine, error }) => !mine && error !== REPLAY);
  return count > 0 ? others[others.length - count]?.id : undefined;
}

/** `whole`: nothing is stored before the first of these. `unread`: the item that was the first unread one. */
export function rowsOf(items: readonly Item[], whole: boolean, unread?: string): Row[] {
  const rows: Row[] = whole ? [{ kind: 'begin', key: 'begin' }] : [];
  let day: number | undefined;
  for (const [at, item] of items.entries()) {
    const its = dayOf(item.at);
    if (its !== day) rows.push({ kind: 'day', key: `day before ${item.id}`, at: item.at });
    day = its;
    if (item.id === unread) rows.push({ kind: 'unread', key: 'unread' });
    rows.push({
      kind: 'message',
      key: item.id,
      item,
      first: !together(items[at - 1], item),
      last: !together(item, items[at + 1]),
    });
  }
  return rows;
}
