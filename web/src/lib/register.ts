// Registering a handle.

import { registration } from './envelope.ts';
import { post } from './http.ts';
import type { Identity } from './identity.ts';
import type { Record } from './wire.ts';

/** Binds a handle to a key. The same registration again has the same answer. Throws a `KezError`. */
export function register(api: string, domain: string, handle: string, person: Identity): Promise<Record> {
  return post(`${api}/v1/register`, registration(handle, domain, person));
}
