// A live push as its stream sent it.

import type { Msg, MsgHdrs } from '@nats-io/nats-core';
import type { Handle, Message } from '../wire.ts';
import { isStoreOf } from './subjects.ts';

/** A message, and the one before it. */
export interface Push {
  /** As history lists it. */
  readonly message: Message;
  /** The sequence of the same inbox's previous message that is still stored, or 0. */
  readonly previous: number;
}

/**
 * Reads a push; nothing unless it carries the marks that only the inbox's own stream makes. Anybody may name an inbox as the reply subject of a request,
 * and so have an answer sent there. Of a header that stands twice the last counts, which the server has set.
 */
export function readPush(msg: Msg, handle: Handle): Push | undefined {
  try {
    const { headers } = msg;
    const seq = sequence(headers, 'Nats-Sequence');
    const previous = sequence(headers, 'Nats-Last-Sequence');
    const created_at = headers?.last('Kez-Created-At');
    if (!headers || !created_at || seq === undefined || previous === undefined) return undefined;
    if (!isStoreOf(headers.last('Nats-Subject'), handle)) return undefined;
    const envelope: unknown = msg.json();
    if (typeof envelope !== 'object' || envelope === null || Array.isArray(envelope)) return undefined;
    return { message: { seq, created_at, envelope: envelope as Message['envelope'] }, previous };
  } catch {
    // Headers that can't be read, or a body that isn't JSON.
    return undefined;
  }
}

function sequence(headers: MsgHdrs | undefined, name: string): number | undefined {
  const text = headers?.last(name) ?? '';
  const value = Number(text);
  return /^\d+$/.test(text) && Number.isSafeInteger(value) ? value : undefined;
}
