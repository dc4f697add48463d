// Writing a message and sealing it.

import { base64url, hex, utf8 } from '../bytes.ts';
import { signed } from '../envelope.ts';
import type { Identity } from '../identity.ts';
import { timestamp } from '../timestamp.ts';
import type { Primary, Timestamp } from '../wire.ts';
import { JSON_MAX, pad } from './padding.ts';
import { sealTo } from './suite.ts';

export const TAG = 'message';
export const TYPE = 'kez.chat.message';

/** What a message says: a text, or a kind of a later version, which can't be shown. */
export type Body = { readonly text: string } | { readonly other: unknown };

/** A message as its sender signs it. */
export interface Message {
  /** 128 random bits, drawn once a message, in hex. A message that is sealed anew keeps its id. */
  readonly id: string;
  /** The sender, who signs. */
  readonly primary: Primary;
  /**
   * The recipient: within the signature, so that they can't pass it on as if it had been written to another. In a sender's own copy, too, whom they wrote to.
   */
  readonly to: Primary;
  readonly sent_at: Timestamp;
  readonly body: Body;
}

/** The envelope on the wire; `enc` and `ct` in base64url. */
export interface Sealed {
  readonly v: 2;
  readonly enc: string;
  readonly ct: string;
}

/** The message is longer than a sealed one may be. */
export class TooLarge extends Error {
  override readonly name = 'TooLarge';
  readonly code = 'too_large';

  constructor(
    /** Bytes of its signed JSON. */
    readonly bytes: number,
  ) {
    super(`the message is ${bytes - JSON_MAX} bytes too long (too_large)`);
  }
}

/** A new message, at this moment, with an id from the system's randomness. */
export function compose(sender: Identity, to: Primary, body: string | Body): Message {
  return {
    id: hex(crypto.getRandomValues(new Uint8Array(16))),
    primary: sender.primary,
    to,
    sent_at: timestamp(new Date()),
    body: typeof body === 'string' ? { text: body } : body,
  };
}

/**
 * Signs a message and seals it. A retry sends the very same envelope again, for the server knows it by that. Once `sent_at` is ten minutes old, no reader would
 * take it: then the sender sets it anew and seals again, with the same id.
 *
 * Throws `TooLarge`, a `Refusal` of `invalid_primary` for a recipient who is none, a `TypeError` for a message in another's name.
 */
export function seal(sender: Identity, message: Message): Promise<Sealed> {
  return sealFor(message.to, sender, message);
}

/** Seals the same statement for its sender, whose other devices find it in their own inbox. */
export function sealCopy(sender: Identity, message: Message): Promise<Sealed> {
  return sealFor(sender.primary, sender, message);
}

/** What `seal` and `sealCopy` give, signed once. */
export async function sealWithCopy(
  sender: Identity,
  message: Message,
): Promise<{ envelope: Sealed; copy: Sealed }> {
  const padded = plaintext(sender, message);
  const [envelope, copy] = await Promise.all([box(message.to, padded), box(sender.primary, padded)]);
  return { envelope, copy };
}

async function sealFor(reader: Primary, sender: Identity, message: Message): Promise<Sealed> {
  return box(reader, plaintext(sender, message));
}

async function box(reader: Primary, padded: Uint8Array): Promise<Sealed> {
  const { enc, ct } = await sealTo(reader, padded);
  return { v: 2, enc: base64url(enc), ct: base64url(ct) };
}

/** The signed message, padded. */
export function plaintext(sender: Identity, message: Message): Uint8Array {
  if (message.primary !== sender.primary)
    throw new TypeError("the message's `primary` isn't the key that signs");
  const { id, to, sent_at, body } = message;
  const members = { id, to, sent_at, body: 'text' in body ? { text: body.text } : body.other };
  const json = utf8(JSON.stringify(signed(TAG, TYPE, members, sender)));
  const padded = pad(json);
  if (!padded) throw new TooLarge(json.length);
  return padded;
}
