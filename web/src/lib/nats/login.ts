// Logging in to NATS with a person's key or a session's: what is signed, and what isn't.

import type { Authenticator } from '@nats-io/nats-core';
import { base64url, utf8 } from '../bytes.ts';
import { KezError } from '../error.ts';
import type { Identity } from '../identity.ts';
import type { Primary } from '../wire.ts';

/** What a client logs in with: a person's own key alone, or a session's key with the token that is bound to it. */
export interface Login {
  /** Whose mail it is. */
  readonly primary: Primary;
  /** The key that signs. */
  readonly key: Identity;
  /** A good session token; a new one, with `fresh`. Called before every login. */
  token?(fresh: boolean): Promise<string>;
}

/** A person's own key as a login. */
export function withKey(key: Identity): Login {
  return { primary: key.primary, key };
}

/**
 * What is signed: the broker's nonce, bound to the purpose and to the domain that the *user* configured, never one that the broker names. A broker that
 * sends anything but a nonce gets no signature at all: its text might mean something elsewhere. Throws a `KezError`.
 */
export function loginText(domain: string, nonce: string | undefined): Uint8Array {
  if (nonce === undefined || !/^[A-Za-z0-9_-]{8,64}$/.test(nonce)) {
    throw KezError.local('malformed', "the broker asks for a signature over what isn't a nonce");
  }
  return utf8(`KEZ-NATS-AUTH-v1\n${domain}\n${nonce}`);
}

/** Answers the broker's nonce. */
export function authenticator(key: Identity, domain: string, token: string | undefined): Authenticator {
  return (nonce) => {
    const login = { nkey: key.nkey, sig: base64url(key.sign(loginText(domain, nonce))) };
    return token === undefined ? login : { ...login, auth_token: token };
  };
}
