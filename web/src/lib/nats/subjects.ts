// The NATS subjects of a client (nats/SUBJECTS.md), all of them.

import { hex } from '../bytes.ts';
import { publicKeyOf } from '../identity.ts';
import type { Handle, Primary } from '../wire.ts';

/** The subjects of one person. */
export function subjects(handle: Handle) {
  // A subject is put together from it.
  if (!/^[a-z0-9][a-z0-9_-]{2,31}$/.test(handle)) throw new TypeError(`${handle} isn't a handle`);
  return {
    inbox: `kez.chat.inbox.${handle}`,
    send: `kez.chat.send.${handle}`,
    history: `kez.chat.history.${handle}`,
    ack: `kez.chat.ack.${handle}`,
    lookup: `kez.chat.lookup.${handle}`,
  };
}

/** Prefix of a person's reply inboxes, which nobody else may listen to. */
export function replyPrefix(primary: Primary): string {
  return `kez.inbox.${hex(publicKeyOf(primary))}`;
}

/** Whether `subject` is where some partition stores this inbox. */
export function isStoreOf(subject: string, handle: Handle): boolean {
  return /^kez\.store\.inbox\.[^.]+\.([^.]+)$/.exec(subject)?.[1] === handle;
}
