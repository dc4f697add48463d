// The conversation that is open: a range of its messages, and what a person does there.

import type { Primary } from '../lib/wire.ts';
import type { Change } from './bus.ts';
import { changeRow, openPreview, sealPreview, viewOf } from './conversations.ts';
import { type Core, engine } from './core.ts';
import type { ConversationRow, MessageRow } from './database.ts';
import { allChunks, whole } from './database.ts';
import { ClientError } from './errors.ts';
import { assemble } from './files.ts';
import { itemOf, openContent, preview } from './messages.ts';
import { type Conversation, type Item, REPLAY } from './types.ts';

/** Messages that are loaded at once. */
const PAGE = 60;
/** A draft is stored when nothing was typed for so long, in milliseconds. */
const DRAFT_PAUSE = 400;

export class Chat {
  /** Changes when it does. */
  peer: Conversation = $state.raw() as Conversation;
  /** Messages that are stored. */
  count = $state(0);
  /** A range of them without a hole, oldest first. */
  window: readonly Item[] = $state.raw([]);
  /** There are older messages than the range. */
  hasBefore = $state(false);
  /** There are newer ones. New messages join the range only if it ends with the newest. */
  hasAfter = $state(false);

  readonly #core: Core;
  readonly #unlisten: () => void;
  #work: Promise<void> = Promise.resolve();
  #draft: { text: string; timer: ReturnType<typeof setTimeout> } | undefined;
  #closed = false;

  /** Of this row, which is stored already or isn't yet. `load` fills it. */
  constructor(core: Core, row: ConversationRow) {
    this.#core = core;
    this.#show(row);
    this.#unlisten = core.bus.listen((notice) => {
      if (notice.type === 'changed') this.#changed(notice.changes);
    });
  }

  /** The newest messages. */
  load(): Promise<void> {
    return this.toNewest();
  }

  /** Loads older messages; false where there are none. */
  async loadBefore(): Promise<boolean> {
    const first = this.window[0];
    if (!first || first.order === 0) return false;
    const older = await this.#page('prev', first.order - 1);
    if (this.window[0] !== first) return false;
    this.window = [...older.reverse(), ...this.window];
    this.hasBefore = older.length === PAGE;
    return older.length > 0;
  }

  /** Loads newer messages; false where there are none. */
  async loadAfter(): Promise<boolean> {
    const last = this.window.at(-1);
    if (!last || !this.hasAfter) return false;
    const newer = await this.#page('next', last.order + 1);
    if (this.window.at(-1) !== last) return false;
    this.window = [...this.window, ...newer];
    this.hasAfter = newer.length === PAGE;
    return newer.length > 0;
  }

  /** Loads the messages around this one. */
  async jumpTo(order: number): Promise<void> {
    const [before, after] = await Promise.all([this.#page('prev', order - 1), this.#page('next', order)]);
    this.window = [...before.reverse(), ...after];
    this.hasBefore = before.length === PAGE;
    this.hasAfter = after.length === PAGE;
  }

  /** Loads the newest messages, and follows them. */
  async toNewest(): Promise<void> {
    const row = await this.#core.db.get('conversations', this.peer.id);
    const newest = await this.#page('prev', (row?.next ?? 0) - 1);
    this.window = newest.reverse();
    this.hasBefore = newest.length === PAGE;
    this.hasAfter = false;
  }

  /** Resolves when the text is in the outbox, on the disk. Throws `device_full`. */
  async send(text: string): Promise<void> {
    const { writeText } = await engine();
    await writeText(this.#core, this.peer.primary, text);
    this.saveDraft('');
  }

  /** Resolves when the whole file is in the outbox. Throws `file_too_large`, `unknown_file`, `device_full`. */
  async sendFile(file: File): Promise<void> {
    const { writeFile } = await engine();
    await writeFile(this.#core, this.peer.primary, file);
  }

  /** Sends a message that failed once more. */
  async retry(id: string): Promise<void> {
    const tx = whole(this.#core.db);
    const entry = await tx.objectStore('outbox').index('id').get(id);
    const row = await tx.objectStore('messages').index('id').get(id);
    if (entry && row) {
      const { error: _, ...message } = row;
      await tx.objectStore('outbox').put({ ...entry, failed: false });
      await tx.objectStore('messages').put({ ...message, state: 'sending' });
    }
    await tx.done;
    if (!row) return;
    this.#core.peers?.forget();
    this.#core.changed({ conversation: row.conversation, order: row.order });
    this.#core.bus.tell({ type: 'outbox' });
  }

  /** Takes a message back that isn't sent, and forgets it. One that is stored is only forgotten here. */
  async discard(id: string): Promise<void> {
    const { history } = this.#core.needKeys();
    const tx = whole(this.#core.db);
    const messages = tx.objectStore('messages');
    const row = await messages.index('id').get(id);
    const conversation = row && (await tx.objectStore('conversations').get(row.conversation));
    if (row && conversation) {
      const entry = await tx.objectStore('outbox').index('id').getKey(id);
      if (entry !== undefined) await tx.objectStore('outbox').delete(entry);
      await tx.objectStore('chunks').delete(allChunks(id));
      await messages.delete([row.conversation, row.order]);
      conversation.count -= 1;
      const range = IDBKeyRange.bound([row.conversation], [row.conversation, []]);
      let cursor = await messages.openCursor(range, 'prev');
      while (cursor?.value.error === REPLAY) cursor = await cursor.continue();
      const last = cursor?.value;
      conversation.lastAt = last?.at ?? conversation.lastAt;
      preview(history, conversation, last && openContent(history, last));
      await tx.objectStore('conversations').put(conversation);
    }
    await tx.done;
    if (row) this.#core.changed({ conversation: row.conversation, order: row.order });
  }

  /** Keeps what is typed, in a moment. */
  saveDraft(text: string): void {
    clearTimeout(this.#draft?.timer);
    const timer = setTimeout(() => void this.#storeDraft(), DRAFT_PAUSE);
    this.#draft = { text, timer };
    if (text === '') void this.#storeDraft();
  }

  /** Stores the draft at once, as before the page goes away. */
  saveNow(): void {
    void this.#storeDraft();
  }

  async #storeDraft(): Promise<void> {
    const draft = this.#draft;
    const history = this.#core.keys?.history;
    if (!draft || !history) return;
    clearTimeout(draft.timer);
    this.#draft = undefined;
    await this.#change((row) => {
      row.box = sealPreview(history, row.id, { ...openPreview(history, row), draft: draft.text });
    });
  }

  /** Everything up to here was seen. */
  markRead(): void {
    if (this.peer.unread === 0) return;
    void this.#change((row) => {
      row.unread = 0;
    });
  }

  /**
   * Goes on under the key `to`, which a notice showed; or, where it was proven, has seen the notice. Messages that failed for it may be retried. Throws
   * `key_changed_again` where there is a notice about another key by now.
   */
  async acceptKeyChange(to: Primary): Promise<void> {
    const { acceptKey } = await engine();
    await acceptKey(this.#core, this.peer.id, to);
  }

  /** This key was compared in person, and is pinned. Throws `key_changed_again` where it isn't the peer's any more. */
  async verify(primary: Primary): Promise<void> {
    const { peersOf } = await engine();
    let handle: string | undefined;
    let same = false;
    await this.#change((row) => {
      handle = row.handle;
      same = row.primary === primary;
      row.verified ||= same;
    });
    if (!same) throw new ClientError('key_changed_again');
    if (handle !== undefined) await peersOf(this.#core).pin(handle, primary);
  }

  /** That the key was compared isn't known any more. */
  async forgetVerified(): Promise<void> {
    await this.#change((row) => {
      row.verified = false;
    });
  }

  /** A file that came whole; its type is one that runs nothing, or else `application/octet-stream`. Throws `file_incomplete`, `file_damaged`. */
  async fileOf(item: Item): Promise<Blob> {
    const { db } = this.#core;
    const { history } = this.#core.needKeys();
    const row = await db.getFromIndex('messages', 'id', item.id);
    const content = row && openContent(history, row);
    if (!content || !('file' in content)) throw new ClientError('unknown_file');
    return assemble(db, history, item.id, content.file);
  }

  close(): void {
    void this.#storeDraft();
    this.#closed = true;
    this.#unlisten();
  }

  /** Changes the conversation's row; one that isn't stored yet is stored first. */
  async #change(change: (row: ConversationRow) => void): Promise<void> {
    const { id } = this.peer;
    const { db } = this.#core;
    if (await changeRow(db, id, change)) this.#core.changed({ conversation: id });
  }

  /** Up to `PAGE` messages from this place on, in the order in which they are met. */
  async #page(direction: 'prev' | 'next', from: number): Promise<Item[]> {
    const { db } = this.#core;
    const { history } = this.#core.needKeys();
    const { id } = this.peer;
    const rows: MessageRow[] = [];
    if (direction === 'next') {
      rows.push(...(await db.getAll('messages', IDBKeyRange.bound([id, from], [id, []]), PAGE)));
    }
    // All at once is several times faster than one after another; what was discarded leaves holes.
    for (let to = from; direction === 'prev' && to >= 0 && rows.length < PAGE; to -= PAGE) {
      const range = IDBKeyRange.bound([id, Math.max(0, to - PAGE + 1)], [id, to]);
      rows.push(...(await db.getAll('messages', range)).reverse());
    }
    return rows.slice(0, PAGE).map((row) => itemOf(history, row));
  }

  #changed(changes: readonly Change[]): void {
    const mine = changes.filter(({ conversation }) => conversation === this.peer.id);
    if (mine.length === 0) return;
    const orders = mine.flatMap(({ order }) => order ?? []);
    // One after another: what is read later is newer.
    this.#work = this.#work.then(() => this.#reload(orders)).catch(() => {});
  }

  async #reload(orders: readonly number[]): Promise<void> {
    const { db, keys } = this.#core;
    if (!keys || this.#closed) return;
    const { id } = this.peer;
    const row = await db.get('conversations', id);
    const read = await Promise.all(
      [...new Set(orders)].sort((a, b) => a - b).map((order) => db.get('messages', [id, order])),
    );
    if (this.#closed) return;
    if (row) this.#show(row);
    const found = new Map(read.flatMap((row) => (row ? [[row.order, itemOf(keys.history, row)]] : [])));
    const touched = new Set(orders);
    const last = this.window.at(-1)?.order ?? -1;
    const kept = this.window.flatMap((item) =>
      touched.has(item.order) ? (found.get(item.order) ?? []) : item,
    );
    const added = !this.hasAfter ? [...found.values()].filter((item) => item.order > last) : [];
    if (touched.size > 0) this.window = [...kept, ...added];
  }

  #show(row: ConversationRow): void {
    this.peer = viewOf(this.#core.needKeys().history, row);
    this.count = row.count;
  }
}
