// The signed envelope `{"kez", "payload", "signature"}`, and the two that a client sends to its server.

import { hex, utf8 } from './bytes.ts';
import { canonical } from './canonical.ts';
import type { Identity } from './identity.ts';
import { algOf, type Signer } from './keys/suite.ts';
import { timestamp } from './timestamp.ts';
import type { Key } from './wire.ts';

/** An envelope as it is sent. */
export interface Signed {
  readonly kez: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly signature: { readonly alg: string; readonly key: Key; readonly sig: string };
}

/** A payload with the signature of `signer`, whose primary is written into it. */
export function signed(tag: string, type: string, members: Record<string, unknown>, signer: Signer): Signed {
  const payload = { ...members, type, version: 1, primary: signer.primary };
  const sig = hex(signer.sign(utf8(canonical(payload))));
  return { kez: tag, payload, signature: { alg: algOf(signer.primary), key: signer.primary, sig } };
}

/** Binds `handle@server` to a key. */
export function registration(handle: string, server: string, signer: Identity) {
  const members = { handle, server, created_at: timestamp(new Date()) };
  return signed('handle_registration', 'kez.chat.handle_registration', members, signer);
}

/** Lets `sessionKey` stand for `signer` until `seconds` from now. */
export function sessionStart(server: string, sessionKey: string, seconds: number, signer: Identity) {
  const now = Date.now();
  const members = {
    server,
    session_key: sessionKey,
    created_at: timestamp(new Date(now)),
    expires_at: timestamp(new Date(now + seconds * 1000)),
  };
  return signed('session', 'kez.chat.session', members, signer);
}
