// A person's connection to NATS over WebSocket, and what they may ask there.
//
// Connecting again is done here and not by nats-core, which would give up after two refusals, keeps what is published while there is no connection to send
// it later, and can't wait for a session token to be renewed.

import {
  AuthorizationError,
  type Msg,
  type NatsConnection,
  NoRespondersError,
  PermissionViolationError,
  TimeoutError,
  UserAuthenticationExpiredError,
  type WsConnectionOptions,
  wsconnect,
} from '@nats-io/nats-core';
import { utf8 } from '../bytes.ts';
import { KezError } from '../error.ts';
import type {
  ClientAck,
  ClientHistory,
  ClientLookup,
  Handle,
  Page,
  Purged,
  Record,
  Send,
  Sent,
} from '../wire.ts';
import { backoff } from './backoff.ts';
import type { Cursor } from './catch-up.ts';
import { authenticator, type Login } from './login.ts';
import { Mail } from './mail.ts';
import { Signal } from './signal.ts';
import { replyPrefix, subjects } from './subjects.ts';

/** For an answer, in milliseconds; the server's own deadline is shorter, so that its error arrives. */
const DEADLINE = 5_000;
/** For an answer to a message, which may be large and the way up narrow. */
const SEND_DEADLINE = 30_000;
/** For a connection, from the address to being let in. */
const CONNECT_DEADLINE = 10_000;
/** A dead connection is noticed after three of these. */
const PING = 15_000;
/** Before connecting again: at first, and at most. */
const FIRST_PAUSE = 500;
const LAST_PAUSE = 30_000;
/** A server that is lost drops all at once, and lets in so many a second: they must come back over several. */
const SPREAD = 4;
/** A connection that lasted so long wasn't a failure. */
const LASTED = 1_000;

/** Where and as whom. */
export interface Options {
  /** `ws://` or `wss://`; several for one cluster. Addresses that a broker names aren't taken. */
  readonly servers: string | readonly string[];
  /** The KEZ domain, from the user's own configuration: the part behind the `@`. */
  readonly domain: string;
  /** The person's handle there. */
  readonly handle: Handle;
  /** What to log in with. */
  readonly login: Login;
  /** Makes the socket, where the platform has no `WebSocket` (Node before 22). */
  readonly socket?: (url: string) => WebSocket;
}

/** A client that stays connected until it is closed. */
export class NatsClient {
  readonly #options: Options;
  readonly #subjects: ReturnType<typeof subjects>;
  readonly #watchers = new Set<() => void>();
  readonly #hurry = new Signal();
  #connection: NatsConnection | undefined;
  #lost: KezError | undefined;
  #drop: (() => void) | undefined;
  #closed = false;

  private constructor(options: Options) {
    this.#options = options;
    this.#subjects = subjects(options.handle);
  }

  /** Connects, and throws a `KezError` if that fails. From then on the client connects again whenever it must, for ever. */
  static async connect(options: Options): Promise<NatsClient> {
    const client = new NatsClient(options);
    client.#connection = await client.#dial(false);
    void client.#stay(client.#connection);
    return client;
  }

  /** Whether there is a connection now. */
  get connected(): boolean {
    return this.connection !== undefined;
  }

  /** Why there is none now. */
  get lost(): KezError | undefined {
    return this.connected ? undefined : this.#lost;
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** The person's handle. */
  get handle(): Handle {
    return this.#options.handle;
  }

  /** The present connection. */
  get connection(): NatsConnection | undefined {
    return this.#connection?.isClosed() ? undefined : this.#connection;
  }

  /** Sends; what comes back is on the server's disk. An envelope that was sent before is not stored twice: after a `timeout`, send it again. Throws a `KezError`. */
  send(to: Handle, envelope: object): Promise<Sent> {
    const request: Send = { to, envelope: envelope as Send['envelope'] };
    return this.#ask(this.#subjects.send, request, SEND_DEADLINE);
  }

  /** A page of mail, oldest first. Throws a `KezError`. */
  async history(request: ClientHistory = {}): Promise<Page> {
    const page = await this.#ask<Page>(this.#subjects.history, request);
    if (Array.isArray(page.messages) && typeof page.epoch === 'string') return page;
    throw KezError.local('malformed', "the server's answer isn't a page of mail");
  }

  /** Deletes mail up to and including `through`, for all of the person's devices. Throws a `KezError`. */
  ack(through: number): Promise<Purged> {
    const request: ClientAck = { through };
    return this.#ask(this.#subjects.ack, request);
  }

  /** The record of a handle or of a key. Throws a `KezError`. */
  lookup(whom: { handle: string } | { primary: string }): Promise<Record> {
    const request: ClientLookup = whom;
    return this.#ask(this.#subjects.lookup, request);
  }

  /** All mail behind the cursor, and all that comes, once and in order. */
  mail(cursor: Cursor = { seq: 0 }): Mail {
    return new Mail(this, this.#subjects.inbox, cursor);
  }

  /** Drops the connection and makes another at once, as after a change of networks. */
  reconnect(): void {
    this.#hurry.ring();
    // Without this the connection is only just there.
    if (!this.#drop) return;
    this.#connection = undefined;
    this.#drop();
  }

  /** Ends the connection, and all feeds of mail. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#hurry.ring();
    const connection = this.#connection;
    this.#connection = undefined;
    this.#drop?.();
    await connection?.close();
    this.#changed();
  }

  /** Calls back whenever a connection began, ended, or couldn't be had; `lost` tells why. Returns what ends that. */
  watch(callback: () => void): () => void {
    this.#watchers.add(callback);
    return () => this.#watchers.delete(callback);
  }

  /** Connects again and again. */
  async #stay(first: NatsConnection): Promise<void> {
    let connection: NatsConnection | undefined = first;
    let failures = 0;
    while (!this.#closed) {
      if (connection) {
        const since = performance.now();
        const why = await this.#ended(connection);
        this.#connection = undefined;
        this.#lost = why ? failure(why) : KezError.local('disconnected', 'the connection was closed');
        if (performance.now() - since > LASTED) failures = 0;
        this.#changed();
      }
      await this.#hurry.wait(backoff(failures, FIRST_PAUSE, LAST_PAUSE, SPREAD));
      failures += 1;
      connection = await this.#again();
    }
  }

  /** Waits until the connection ends, is silent, or is dropped: a socket whose network is gone takes a minute to close. */
  async #ended(connection: NatsConnection): Promise<Error | undefined> {
    const dropped = new Promise<undefined>((resolve) => {
      this.#drop = () => resolve(undefined);
    });
    const why = await Promise.race([connection.closed(), silent(connection), dropped]);
    this.#drop = undefined;
    void connection.close();
    return why ?? undefined;
  }

  async #again(): Promise<NatsConnection | undefined> {
    if (this.#closed) return undefined;
    try {
      // A token that was refused isn't shown a second time.
      const connection = await this.#dial(this.#lost?.code === 'refused');
      if (this.#closed) await connection.close();
      this.#connection = connection;
      this.#lost = undefined;
      this.#changed();
      return connection;
    } catch (error) {
      this.#lost = failure(error);
      this.#changed();
      return undefined;
    }
  }

  async #dial(fresh: boolean): Promise<NatsConnection> {
    const { servers, domain, login, socket } = this.#options;
    try {
      const token = await login.token?.(fresh);
      const options: WsConnectionOptions = {
        servers: typeof servers === 'string' ? servers : [...servers],
        authenticator: authenticator(login.key, domain, token),
        inboxPrefix: replyPrefix(login.primary),
        reconnect: false,
        ignoreClusterUpdates: true,
        noAsyncTraces: true,
        pingInterval: PING,
        maxPingOut: 2,
        timeout: CONNECT_DEADLINE,
      };
      if (socket) {
        options.wsFactory = async (url) => ({ socket: socket(url), encrypted: url.startsWith('wss:') });
      }
      return await wsconnect(options);
    } catch (error) {
      throw failure(error);
    }
  }

  async #ask<T>(subject: string, request: object, timeout = DEADLINE): Promise<T> {
    const { connection } = this;
    if (!connection) throw this.#lost ?? KezError.local('disconnected', 'there is no connection');
    const payload = utf8(JSON.stringify(request));
    if (payload.length > (connection.info?.max_payload ?? payload.length)) {
      throw KezError.of('too_large', 'this is larger than what the server takes');
    }
    const answer = await connection.request(subject, payload, { timeout }).catch((error) => {
      throw failure(error);
    });
    return read(answer);
  }

  #changed(): void {
    for (const callback of this.#watchers) callback();
  }
}

/** Waits until the server gives up this connection, with its reason, or answers no pings any more. */
async function silent(connection: NatsConnection): Promise<Error | undefined> {
  let why: Error | undefined;
  for await (const status of connection.status()) {
    if (status.type === 'error' && status.error instanceof UserAuthenticationExpiredError) why = status.error;
    if (status.type === 'staleConnection')
      return why ?? KezError.local('disconnected', 'the server fell silent');
  }
  // The connection is closed, and says why.
  return (await connection.closed()) ?? undefined;
}

/** A service's answer, or the error that it is. */
function read<T>(answer: Msg): T {
  const refusal = answer.headers?.last('Nats-Service-Error');
  if (refusal) throw KezError.fromService(refusal);
  try {
    return answer.json<T>();
  } catch (cause) {
    throw KezError.local('malformed', "the server's answer isn't JSON", cause);
  }
}

/** What an error of nats-core means. */
function failure(error: unknown): KezError {
  if (error instanceof KezError) return error;
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const text = error instanceof Error ? error.message : String(error);
  if (cause instanceof NoRespondersError) return KezError.of('unavailable', 'no service answers this now');
  if (cause instanceof PermissionViolationError) return KezError.of('not_owner', cause.message);
  if (cause instanceof AuthorizationError)
    return KezError.local('refused', "the server didn't let this key in", error);
  if (cause instanceof TimeoutError) return KezError.local('timeout', 'no answer in time', error);
  return KezError.local('disconnected', text || "can't reach the server", error);
}
