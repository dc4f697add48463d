// The signed envelope `{"kez", "payload", "signature"}`, and the two that a client sends to its server.

import { hex, utf8 } from './bytes.ts';
import { canonical } from './canonical.ts';
import type { Identity } from './identity.ts';

/** A payload with the signature of `signer`, whose primary is written into it. */
export function signed(tag: string, type: string, members: Record<string, unknown>, signer: Identity) {
  const payload = { ...members, type, version: 1, primary: signer.primary };
  const sig = hex(signer.sign(utf8(canonical(payload))));
  return { kez: tag, payload, signature: { alg: 'ed25519-sha512-jcs', key: signer.primary, sig } };
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

/** RFC 3339, UTC, whole seconds. */
export function timestamp(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z');
}
