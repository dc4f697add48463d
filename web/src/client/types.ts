// What the pages see of the client layer, beside its classes.

import type { Primary } from '../lib/wire.ts';

/** Where the page stands: no secure context, nobody here yet, somebody who is locked, or open. */
export type Phase = 'loading' | 'insecure' | 'welcome' | 'locked' | 'open';
/** How mail comes. */
export type Live = 'live' | 'reconnecting' | 'connecting' | 'offline';
export type Transport = 'sse' | 'nats';
export type TransportChoice = 'auto' | Transport;

/** Somebody to write to. */
export interface Peer {
  readonly primary: Primary;
  /** Without its server; undefined where the server doesn't know the key. */
  readonly handle: string | undefined;
  readonly server: string;
  /** The key was compared in person. */
  readonly verified: boolean;
}

/** A line of the list of conversations. */
export interface Conversation extends Peer {
  /** Stays the same when the peer's key changes. */
  readonly id: Primary;
  readonly lastText: string;
  /** The last message's file, where it has no text. */
  readonly lastFile?: string;
  /** Milliseconds since 1970; 0 where there is no message yet. */
  readonly lastAt: number;
  readonly unread: number;
  readonly draft: string;
  readonly blocked: boolean;
  /** The key of the handle is another one now; `proven` by the identity log, it is the conversation's already, and else nothing is sent. */
  readonly keyChange: { readonly to: Primary; readonly proven: boolean } | undefined;
}

/** `sending` waits in the outbox, `stored` is on the server's disk. `refused`: it came, and failed a check. */
export type ItemState = 'sending' | 'stored' | 'failed' | 'received' | 'refused';

/** A message of a conversation. */
export interface Item {
  /** Its place, rising; a message that was discarded leaves a hole. */
  readonly order: number;
  /** Names it on this device. */
  readonly id: string;
  readonly mine: boolean;
  /** When it was sent, by its sender's clock, in milliseconds. */
  readonly at: number;
  readonly state: ItemState;
  /** Stable code, for `failed` and `refused`. */
  readonly error?: string;
  readonly text?: string;
  readonly file?: {
    readonly name: string;
    /** The MIME type that the sender named. */
    readonly type: string;
    readonly size: number;
    /** Bytes that were sent, or came. */
    readonly done: number;
  };
  /** Of a kind that this version doesn't know. */
  readonly unknown?: true;
}

/** A message that a search found. */
export interface Hit {
  readonly conversation: Primary;
  readonly order: number;
  readonly at: number;
  readonly mine: boolean;
  readonly text: string;
  /** Stable code, where it came and failed a check. */
  readonly error?: string;
}

/** The code of what was read before and came once more. It is shown where it came, and is nobody's news. */
export const REPLAY = 'already_seen';

/** The conversation of what failed its check and names no sender who is proven. */
export const REFUSED: Primary = 'refused';
