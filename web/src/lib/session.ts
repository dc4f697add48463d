// A session: the person's key signs once for a fresh key, which stands for it for a day at most, so that the person's own key can be locked away. The
// server's token is bound to that key, and renewed with it.

import { sha256 } from '@noble/hashes/sha2.js';
import { hex, utf8 } from './bytes.ts';
import { sessionStart } from './envelope.ts';
import { post } from './http.ts';
import { Identity } from './identity.ts';
import type { Login } from './nats/login.ts';
import type { Session as Answer, Primary } from './wire.ts';

/** A token is renewed when it has less than this left, in milliseconds. */
const MARGIN = 60_000;
/** The longest session, in seconds. */
const DAY = 24 * 3600;
const RENEW = '/v1/session/renew';

/** A session as it can be kept: whoever has it reads, sends and deletes sealed mail until it ends. */
export interface KeptSession {
  readonly primary: Primary;
  readonly seed: Uint8Array;
  readonly answer: Answer;
}

/** A session at one server. */
export class Session implements Login {
  /** Called with what is to be kept, whenever the token was renewed. */
  onRenewed: ((kept: KeptSession) => void) | undefined;
  readonly #seed: Uint8Array;
  #answer: Answer;
  #renewal: Promise<string> | undefined;

  private constructor(
    /** The server's base URL. */
    readonly api: string,
    /** Its name. */
    readonly domain: string,
    /** Whose session it is. */
    readonly primary: Primary,
    /** The session's own key. */
    readonly key: Identity,
    seed: Uint8Array,
    answer: Answer,
  ) {
    this.#seed = seed;
    this.#answer = answer;
  }

  /** Begins one of at most `seconds`. Throws a `KezError`. */
  static async begin(api: string, domain: string, person: Identity, seconds = DAY): Promise<Session> {
    const seed = crypto.getRandomValues(new Uint8Array(32));
    const key = Identity.fromSeed(seed);
    const envelope = sessionStart(domain, key.nkey, seconds, person);
    const answer = await post<Answer>(`${api}/v1/session`, envelope);
    return new Session(api, domain, person.primary, key, seed, answer);
  }

  /** One that was kept. */
  static resume(api: string, domain: string, kept: KeptSession): Session {
    const { primary, seed, answer } = kept;
    return new Session(api, domain, primary, Identity.fromSeed(seed), seed, answer);
  }

  /** What `resume` takes. */
  keep(): KeptSession {
    return { primary: this.primary, seed: this.#seed, answer: this.#answer };
  }

  /** The person's handle. */
  get handle(): string {
    return this.#answer.handle;
  }

  /** When the session ends; then the person's own key must begin another. */
  get endsAt(): Date {
    return new Date(this.#answer.session_expires_at);
  }

  /** A good token: the one at hand, or a new one if that is about to expire or, with `fresh`, in any case. Throws `session_ended` after the session's end. */
  token(fresh = false): Promise<string> {
    const left = Date.parse(this.#answer.expires_at) - Date.now();
    if (!fresh && left > MARGIN) return Promise.resolve(this.#answer.token);
    this.#renewal ??= this.#renew().finally(() => {
      this.#renewal = undefined;
    });
    return this.#renewal;
  }

  async #renew(): Promise<string> {
    const seconds = Math.floor(Date.now() / 1000);
    const text = `KEZ-HTTP-v1\n${this.domain}\nPOST\n${RENEW}\n${hex(sha256(new Uint8Array()))}\n${seconds}`;
    this.#answer = await post<Answer>(`${this.api}${RENEW}`, undefined, {
      authorization: `Bearer ${this.#answer.token}`,
      'x-kez-auth': `${seconds}:${hex(this.key.sign(utf8(text)))}`,
    });
    this.onRenewed?.(this.keep());
    return this.#answer.token;
  }
}
