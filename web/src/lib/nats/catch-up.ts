// What of an inbox has come, and what is missing: rules alone, without a connection or a clock.
//
// The invariant: every stored message at or below `seq` was handed over, once and in order, or was deleted before it could be. A push is handed over only if
// the message before it lies at or below `seq`; otherwise the messages between are read from history.

import type { Message, Page } from '../wire.ts';
import type { Push } from './push.ts';

/** A place in an inbox. Sequences count within an epoch. */
export interface Cursor {
  /** The last message that was had; 0 for none. */
  readonly seq: number;
  /** Absent before the server has told it. */
  readonly epoch?: string;
}

/** A read of history that is under way. */
export interface Read {
  /** Only what comes behind this. */
  readonly since: number;
  readonly wanted: number;
  readonly opening: number;
}

/** What a page of history brings. */
export interface Brought {
  /** The server's store is another one than the cursor's: what was had of the other counts no more, and mail comes from the start. */
  readonly resync: boolean;
  /** The messages to hand over, in order. */
  readonly messages: readonly Message[];
}

/** One reader's state. */
export class CatchUp {
  #seq: number;
  #epoch: string | undefined;
  /** The highest sequence that is known to have been stored. */
  #wanted = 0;
  #due = true;
  #openings = 0;
  #settled = false;

  constructor(cursor: Cursor) {
    this.#seq = cursor.seq;
    this.#epoch = cursor.epoch;
  }

  /** The place that was reached. */
  get cursor(): Cursor {
    return this.#epoch === undefined ? { seq: this.#seq } : { seq: this.#seq, epoch: this.#epoch };
  }

  /** Whether history is to be read. */
  get behind(): boolean {
    return this.#due || this.#wanted > this.#seq;
  }

  /** Whether history was read since the connection was opened, so that the epoch is known to be the cursor's. */
  get settled(): boolean {
    return this.#settled;
  }

  /** The inbox is subscribed to, on a new connection: whatever was pushed before is lost. */
  open(): void {
    this.#openings += 1;
    this.#settled = false;
    this.#due = true;
  }

  /** It is time to ask whether the last message was missed, which no later push shows. */
  check(): void {
    this.#due = true;
  }

  /** A push came. Returns whether it is to be handed over now; never without `room` for it. */
  push(push: Push, room: boolean): boolean {
    const { seq } = push.message;
    if (seq <= this.#seq) return false;
    if (this.#settled && room && push.previous <= this.#seq) {
      this.#seq = seq;
      return true;
    }
    this.#wanted = Math.max(this.#wanted, seq);
    return false;
  }

  /** History is read from here. One read at a time. */
  read(): Read {
    this.#due = false;
    return { since: this.#seq, wanted: this.#wanted, opening: this.#openings };
  }

  /** The read brought nothing, or its connection is gone. */
  failed(): void {
    this.#due = true;
  }

  /** The read brought this. `page.head` is the newest sequence of the inbox, as the stream's leader has it. */
  page(read: Read, page: Page): Brought {
    if (read.opening !== this.#openings) {
      this.#due = true;
      return { resync: false, messages: [] };
    }
    this.#settled = true;
    const resync = this.#epoch !== undefined && this.#epoch !== page.epoch;
    this.#epoch = page.epoch;
    if (resync) {
      this.#seq = 0;
      this.#due = true;
      return { resync, messages: [] };
    }
    const messages: Message[] = [];
    for (const message of page.messages) {
      // A push may have been faster.
      if (message.seq <= this.#seq) continue;
      this.#seq = message.seq;
      messages.push(message);
    }
    if (page.next !== undefined) {
      this.#due = true;
    } else if (page.head !== undefined && page.head > this.#seq) {
      // A replica that lags: the leader has more than it gave.
      this.#wanted = Math.max(this.#wanted, page.head);
    } else if (this.#wanted === read.wanted) {
      // What was wanted before the read and isn't there was deleted.
      this.#wanted = 0;
    }
    return { resync, messages };
  }
}
