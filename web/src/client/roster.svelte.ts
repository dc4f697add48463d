// The list of conversations, as it is in the database.

import type { Primary } from '../lib/wire.ts';
import type { Change } from './bus.ts';
import { viewOf } from './conversations.ts';
import type { Core } from './core.ts';
import type { ConversationRow } from './database.ts';
import type { Conversation } from './types.ts';
import type { Keys } from './vault.ts';

export class Roster {
  /** Newest first; none while locked. */
  conversations: readonly Conversation[] = $state.raw([]);
  /** Over all conversations but blocked ones, and what came while locked. */
  unread = $state(0);
  /** Messages that wait in the outbox. */
  outboxSize = $state(0);

  readonly #core: Core;
  readonly #rows = new Map<Primary, ConversationRow>();
  readonly #stale = new Set<Primary>();
  #work: Promise<void> = Promise.resolve();

  constructor(core: Core) {
    this.#core = core;
  }

  /** The row of a peer's key, or of a conversation. */
  find(key: Primary): ConversationRow | undefined {
    return this.#rows.get(key) ?? [...this.#rows.values()].find((row) => row.keys.includes(key));
  }

  /** When everything that was told so far is shown. */
  settled(): Promise<void> {
    return this.#work;
  }

  /** Shows nothing that somebody said any more. */
  lock(): Promise<void> {
    this.conversations = [];
    return this.refresh();
  }

  /** Reads all conversations anew. */
  refresh(): Promise<void> {
    return this.#then(async () => {
      const rows = await this.#core.db.getAll('conversations');
      this.#rows.clear();
      for (const row of rows) this.#rows.set(row.id, row);
      await this.#show();
    });
  }

  /** Reads those that changed. */
  changed(changes: readonly Change[]): void {
    const ids = [...new Set(changes.map(({ conversation }) => conversation))];
    void this.#then(async () => {
      for (const id of ids) {
        const row = await this.#core.db.get('conversations', id);
        this.#stale.add(id);
        if (row) this.#rows.set(id, row);
        else this.#rows.delete(id);
      }
      await this.#show();
    });
  }

  /** Counts what waits. */
  async count(): Promise<void> {
    const { db, keys } = this.#core;
    const [arrived, waiting] = await Promise.all([
      db.countFromIndex('arrived', 'counts'),
      db.count('outbox'),
    ]);
    // While unlocked it is opened at once, and counted with its conversation.
    let unread = keys ? 0 : arrived;
    for (const row of this.#rows.values()) unread += row.blocked ? 0 : row.unread;
    this.unread = unread;
    this.outboxSize = waiting;
  }

  async #show(): Promise<void> {
    const { keys } = this.#core;
    const rows = [...this.#rows.values()].filter((row) => !row.hidden).sort((a, b) => b.lastAt - a.lastAt);
    const shown = new Map(this.conversations.map((view) => [view.id, view]));
    this.conversations = keys ? rows.map((row) => this.#view(keys, row, shown.get(row.id))) : [];
    this.#stale.clear();
    await this.count();
  }

  /** Boxes are opened only where something changed. */
  #view(keys: Keys, row: ConversationRow, shown: Conversation | undefined): Conversation {
    return shown && !this.#stale.has(row.id) ? shown : viewOf(keys.history, row);
  }

  /** One after another: what is read later is newer. */
  #then(work: () => Promise<void>): Promise<void> {
    const next = this.#work.then(work);
    this.#work = next.catch(() => {});
    return next;
  }
}
