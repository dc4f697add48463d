// The few requests that a client makes over HTTP.

import { KezError } from './error.ts';
import type { Handle, Page, Primary, Record, Sent, ServerInfo, Sigchain } from './wire.ts';

/** For an answer, in milliseconds. */
const DEADLINE = 10_000;
/** For an answer to a message, which may be large and the way up narrow. */
const SEND_DEADLINE = 60_000;

/** What the server is, and where its NATS is. Throws a `KezError`. */
export function server(api: string): Promise<ServerInfo> {
  return ask(`${api}/v1/server`, {});
}

/** The record of a handle. Throws a `KezError`: `unknown_handle`. */
export function lookup(api: string, handle: Handle): Promise<Record> {
  return ask(`${api}/v1/u/${encodeURIComponent(handle)}`, {});
}

/** The record of a key. Throws a `KezError`: `unknown_primary`. */
export function lookupKey(api: string, primary: Primary): Promise<Record> {
  return ask(`${api}/v1/by-primary/${encodeURIComponent(primary)}`, {});
}

/** Sends as the person of this token; what comes back is on the server's disk. The same envelope again is stored once. Throws a `KezError`. */
export function send(api: string, token: string, to: Handle, envelope: object): Promise<Sent> {
  const headers = { authorization: `Bearer ${token}` };
  return post(`${api}/v1/messages`, { to, envelope }, headers, SEND_DEADLINE);
}

/** A page of the mail of this token's person, oldest first, from behind `since`. Throws a `KezError`. */
export function history(api: string, token: string, handle: Handle, since: number): Promise<Page> {
  const url = `${api}/v1/inbox/${encodeURIComponent(handle)}?since=${since}`;
  return ask(url, { headers: { authorization: `Bearer ${token}` } });
}

/** The identity log that this key is or was in, unverified: give its events to `Chain.verify`. Throws a `KezError`: `unknown_chain`. */
export function sigchain(api: string, primary: Primary): Promise<Sigchain> {
  return ask(`${api}${chainPath(primary)}`, {});
}

/** Appends a signed event to the identity log of its key. Throws a `KezError`. */
export function append(api: string, primary: Primary, event: object): Promise<unknown> {
  return post(`${api}${chainPath(primary)}`, event);
}

function chainPath(primary: Primary): string {
  return `/v1/sigchains/${primary.replace(':', '/')}`;
}

/** Posts JSON, or nothing. Throws a `KezError`. */
export function post<T>(
  url: string,
  body: unknown,
  headers: { [name: string]: string } = {},
  deadline = DEADLINE,
): Promise<T> {
  if (body === undefined) return ask(url, { method: 'POST', headers });
  const json = { 'content-type': 'application/json', ...headers };
  return ask(url, { method: 'POST', body: JSON.stringify(body), headers: json }, deadline);
}

async function ask<T>(url: string, request: RequestInit, deadline = DEADLINE): Promise<T> {
  const whole: RequestInit = {
    ...request,
    credentials: 'omit',
    cache: 'no-store',
    signal: AbortSignal.timeout(deadline),
  };
  const response = await fetch(url, whole).catch((cause) => {
    const code = cause instanceof DOMException && cause.name === 'TimeoutError' ? 'timeout' : 'disconnected';
    throw KezError.local(code, `can't reach ${url}`, cause);
  });
  if (!response.ok) throw await KezError.fromResponse(response);
  return response.json().catch((cause) => {
    throw KezError.local('malformed', `${url} doesn't answer as a Kez Chat server`, cause);
  });
}
