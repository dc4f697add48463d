// Opening a sealed message. Each check that fails throws a `Refusal` with its name.

import type { Key } from 'hpke';
import { fromBase64url, utf8 } from '../bytes.ts';
import type { Identity } from '../identity.ts';
import { parseStrict } from '../json.ts';
import { Refusal } from '../refusal.ts';
import { millis } from '../timestamp.ts';
import { isObject, verify } from '../verify.ts';
import type { Primary, Timestamp } from '../wire.ts';
import { type Message, TAG, TYPE } from './message.ts';
import { unpad } from './padding.ts';
import type { Seen } from './seen.ts';
import { type Box, openFor, secretKey, x25519Of } from './suite.ts';

/**
 * How far `sent_at` may be from the time at which the server stored the message, either way, in milliseconds: as long as the server knows duplicates. Mail may
 * wait for weeks, so the reader's own clock says nothing; and a server that lies about the time meets the reader's memory.
 */
const SENT_SKEW = 600_000;

/** One person's side that opens. */
export class Opener {
  /** The key in force, then earlier ones. */
  readonly #keys: readonly (readonly [Primary, Promise<Key>])[];

  /** Opens what is sealed to this identity, or was to the keys that the same person had before. */
  constructor(identity: Identity, earlier: readonly Identity[] = []) {
    this.#keys = [identity, ...earlier].map((own) => [own.primary, secretKey(own)]);
  }

  /** Whether this is, or was, the person's own key. */
  isOwn(primary: Primary): boolean {
    return this.#keys.some(([own]) => own === primary);
  }

  /**
   * Opens an envelope, as text or as `JSON.parse` gave it, that the server stored at `createdAt`, and makes every check but the last: whether it was seen
   * before. For mail that is read again on purpose, from the same place of the same inbox.
   */
  async open(envelope: unknown, createdAt: Timestamp): Promise<Message> {
    const box = decode(envelope);
    let cause: unknown;
    for (const [me, key] of this.#keys) {
      let padded: Uint8Array;
      try {
        padded = await openFor(me, await key, box);
      } catch (error) {
        cause = error;
        continue;
      }
      return read(unpad(padded), me, createdAt);
    }
    throw new Refusal('not_opened', { cause });
  }

  /** Opens an envelope with every check; what is taken is remembered, and what is refused changes nothing. */
  async read(envelope: unknown, createdAt: Timestamp, seen: Seen): Promise<Message> {
    const message = await this.open(envelope, createdAt);
    seen.admit(message);
    return message;
  }
}

function decode(text: unknown): Box {
  let envelope = text;
  if (typeof text === 'string') {
    try {
      envelope = parseStrict(utf8(text));
    } catch (cause) {
      throw new Refusal('malformed_envelope', { cause });
    }
  }
  if (!isObject(envelope) || typeof envelope.v !== 'number') throw new Refusal('malformed_envelope');
  if (envelope.v !== 2) throw new Refusal('unknown_version');
  const enc = typeof envelope.enc === 'string' ? fromBase64url(envelope.enc) : undefined;
  const ct = typeof envelope.ct === 'string' ? fromBase64url(envelope.ct) : undefined;
  if (enc?.length !== 32 || !ct || Object.keys(envelope).length !== 3) {
    throw new Refusal('malformed_envelope');
  }
  return { enc, ct };
}

function isPrimary(text: unknown): text is Primary {
  try {
    return x25519Of(text as Primary).length > 0;
  } catch {
    return false;
  }
}

/** What a reader checks of the JSON that was inside, in this order. */
function read(json: Uint8Array, me: Primary, createdAt: Timestamp): Message {
  const { payload, primary } = verify(json, TAG, TYPE);
  const { to, sent_at, id, body } = payload;
  // By the reader, it is their own copy: whoever sealed it, they wrote it, and to whom it says.
  if (!isPrimary(to) || (to !== me && primary !== me)) throw new Refusal('wrong_recipient');
  const [sent, stored] = [millis(sent_at), millis(createdAt)];
  if (sent === undefined) throw new Refusal('invalid_timestamp');
  if (stored === undefined) throw new TypeError(`${createdAt} isn't a time of the server`);
  if (Math.abs(stored - sent) > SENT_SKEW) throw new Refusal('stale_timestamp');
  if (typeof id !== 'string' || !/^[0-9a-f]{32}$/.test(id)) throw new Refusal('invalid_id');
  const text = isObject(body) ? body.text : undefined;
  return {
    id,
    primary,
    to,
    sent_at: sent_at as Timestamp,
    body: typeof text === 'string' ? { text } : { other: body ?? null },
  };
}
