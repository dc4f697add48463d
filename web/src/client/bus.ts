// What the windows of one browser tell each other, and each window itself.

import type { Primary } from '../lib/wire.ts';
import type { Live, Transport } from './types.ts';
import type { Secrets } from './vault.ts';

export interface Status {
  readonly live: Live;
  readonly transport: Transport | undefined;
  /** The code of what ended the mail for good. */
  readonly problem: string | undefined;
}

/** A conversation, and which of its messages; none where it is about the conversation alone. */
export interface Change {
  readonly conversation: Primary;
  readonly order?: number;
}

export type Notice =
  | { readonly type: 'changed'; readonly changes: readonly Change[] }
  /** Mail was stored and isn't open yet. */
  | { readonly type: 'arrived' }
  /** The outbox has other entries. */
  | { readonly type: 'outbox' }
  /** How the mail comes; by the one window that gets it. */
  | { readonly type: 'status'; readonly status: Status }
  | { readonly type: 'settings' }
  /** A window was opened: who has the keys, or the mail, says so. */
  | { readonly type: 'hello' }
  | { readonly type: 'unlocked'; readonly secrets: Secrets }
  | { readonly type: 'locked' }
  /** The person uses one of the windows. */
  | { readonly type: 'touched' }
  /** The account was made or forgotten: start over. */
  | { readonly type: 'account' }
  /** Whoever gets the mail is to connect anew. */
  | { readonly type: 'wake' }
  /** Whoever gets the mail is to answer, if their browser still lets them. */
  | { readonly type: 'ping' }
  | { readonly type: 'awake' };

/** The windows' channel. */
export class Bus {
  readonly #channel: BroadcastChannel;
  readonly #listeners = new Set<(notice: Notice) => void>();

  constructor(name = 'kez-chat') {
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }: MessageEvent<Notice>) => this.#hear(data);
  }

  /** Tells the other windows. */
  tellOthers(notice: Notice): void {
    this.#channel.postMessage(notice);
  }

  /** Tells every window, this one too. */
  tell(notice: Notice): void {
    this.tellOthers(notice);
    this.#hear(notice);
  }

  /** Returns what ends the listening. */
  listen(listener: (notice: Notice) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#channel.close();
    this.#listeners.clear();
  }

  #hear(notice: Notice): void {
    for (const listener of this.#listeners) listener(notice);
  }
}
