// Times and days as they are shown. The words are English, like every other; hours are written as the reader's own settings say.

import { chat } from '../strings.ts';
import { dayOf } from './day.ts';

const english = navigator.languages.find((tag) => /^en\b/.test(tag)) ?? 'en-GB';
const { hourCycle } = new Intl.DateTimeFormat(navigator.language, { hour: 'numeric' }).resolvedOptions();
const hours = hourCycle ? { hourCycle } : {};

const clock = new Intl.DateTimeFormat(english, { hour: 'numeric', minute: '2-digit', ...hours });
const full = new Intl.DateTimeFormat(english, { dateStyle: 'full', timeStyle: 'short', ...hours });
const weekday = new Intl.DateTimeFormat(english, { weekday: 'long' });
const date = new Intl.DateTimeFormat(english, { weekday: 'short', day: 'numeric', month: 'long' });
const short = new Intl.DateTimeFormat(english, { day: 'numeric', month: 'short' });
const dated = new Intl.DateTimeFormat(english, { day: 'numeric', month: 'long', year: 'numeric' });

/** `14:05` */
export const timeOf = (at: number) => clock.format(at);

/** All that is known of a time. */
export const wholeTime = (at: number) => full.format(at);

/** `2 November 2026` */
export const dateOf = (at: number) => dated.format(at);

/** The title of a day between messages. */
export function dayTitle(at: number, now: number): string {
  const ago = dayOf(now) - dayOf(at);
  if (ago === 0) return chat.today;
  if (ago === 1) return chat.yesterday;
  if (ago > 1 && ago < 7) return weekday.format(at);
  return new Date(at).getFullYear() === new Date(now).getFullYear() ? date.format(at) : dated.format(at);
}

/** The short time in a list: the hour of today, a weekday of this week, else the day. */
export function listTime(at: number, now: number): string {
  const ago = dayOf(now) - dayOf(at);
  if (ago === 0) return clock.format(at);
  if (ago === 1) return chat.yesterday;
  if (ago > 1 && ago < 7) return weekday.format(at);
  return new Date(at).getFullYear() === new Date(now).getFullYear()
    ? short.format(at)
    : new Date(at).toLocaleDateString(english);
}
