// What a reader has read, so that nothing is read twice: not what a sender had to seal anew, and not what a server serves again.

import { sha256 } from '@noble/hashes/sha2.js';
import { fromHex, hex } from '../bytes.ts';
import { publicKeyOf } from '../identity.ts';
import { Refusal } from '../refusal.ts';
import { isObject } from '../verify.ts';
import type { Message } from './message.ts';

type Entry = readonly [sentAt: number, key: string];

/**
 * The messages that were read: as many as `CAPACITY`. Beyond that it forgets the oldest, and from then on refuses whatever isn't newer than what it forgot, so
 * that nothing is ever taken twice.
 *
 * Whoever keeps it (`toJSON`, some 50 bytes a message) saves it together with the place in the inbox: if one is lost, so is the other.
 */
export class Seen {
  /** More than an inbox holds: reading a full one from its beginning forgets nothing of it. */
  static readonly CAPACITY = 16_384;

  readonly #times = new Map<string, number>();
  /** Oldest first. */
  readonly #byAge: Entry[] = [];
  /** The newest `sent_at` that was forgotten. */
  #floor: number | undefined;

  /** From what `toJSON` gave; the same form as the `kez` command keeps. Throws a `TypeError`. */
  static fromJSON(kept: unknown): Seen {
    const { floor, seen: entries } = isObject(kept) ? kept : {};
    if (!(floor === undefined || Number.isSafeInteger(floor)) || !Array.isArray(entries)) {
      throw new TypeError("this isn't a memory of messages");
    }
    const seen = new Seen();
    seen.#floor = floor as number | undefined;
    for (const [sentAt, key, ...more] of entries) {
      const entry = Number.isSafeInteger(sentAt) && typeof key === 'string' && /^[0-9a-f]{32}$/.test(key);
      if (!entry || more.length > 0 || seen.#times.has(key)) {
        throw new TypeError("this isn't a memory of messages");
      }
      seen.#insert([sentAt, key]);
    }
    return seen;
  }

  toJSON(): { floor?: number; seen: Entry[] } {
    return { ...(this.#floor === undefined ? {} : { floor: this.#floor }), seen: [...this.#byAge] };
  }

  /** Takes a message that wasn't taken before. Throws a `Refusal`: `already_seen`, `beyond_memory`. */
  admit(message: Message): void {
    const key = keyOf(message);
    const sentAt = Date.parse(message.sent_at) / 1000;
    const known = this.#times.get(key);
    if (known !== undefined) {
      // Sealed anew later: what is remembered must last as long as the newest copy could be shown.
      if (sentAt > known) {
        this.#byAge.splice(this.#place([known, key]), 1);
        this.#insert([sentAt, key]);
      }
      throw new Refusal('already_seen');
    }
    if (this.#floor !== undefined && sentAt <= this.#floor) throw new Refusal('beyond_memory');
    this.#insert([sentAt, key]);
  }

  #insert(entry: Entry): void {
    this.#times.set(entry[1], entry[0]);
    this.#byAge.splice(this.#place(entry), 0, entry);
    while (this.#byAge.length > Seen.CAPACITY) {
      const [forgotten, key] = this.#byAge.shift() as Entry;
      this.#times.delete(key);
      this.#floor = Math.max(this.#floor ?? forgotten, forgotten);
    }
  }

  /** Where an entry stands, or would. */
  #place([sentAt, key]: Entry): number {
    let [low, high] = [0, this.#byAge.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const [time, other] = this.#byAge[middle] as Entry;
      if (time < sentAt || (time === sentAt && other < key)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** By sender and id. By the id alone, somebody who got a copy of a message could use it up before it arrives. */
export function keyOf({ primary, id }: Pick<Message, 'primary' | 'id'>): string {
  return hex(sha256.create().update(publicKeyOf(primary)).update(fromHex(id)).digest().subarray(0, 16));
}
