// What can go wrong between a client and its server: a code for programs, words for people.

import { CODES } from './codes.ts';
import type { Code, Problem } from './wire.ts';

/**
 * What goes wrong before a server answers: `disconnected`, there is no connection now; `timeout`, no answer came in time, and what was asked may have been
 * done; `refused`, the broker let this login not in, and never says why; `malformed`, what came isn't this protocol.
 */
export type LocalCode = 'disconnected' | 'timeout' | 'refused' | 'malformed';

/** No server is left alone for longer, in milliseconds. */
const LONGEST = 5 * 60_000;

/** What a status means that isn't explained. Others below 500 say that this request is never taken. */
const MEANT: Readonly<Record<number, Code>> = {
  401: 'invalid_token',
  408: 'request_timeout',
  413: 'too_large',
  429: 'rate_limited',
};

/** An answer that isn't a success, or none at all. */
export class KezError extends Error {
  override readonly name = 'KezError';

  constructor(
    /** Stable. */
    readonly code: Code | LocalCode,
    /** The HTTP status, also over NATS; 0 where no server answered. */
    readonly status: number,
    /** For people; may change at any time. */
    readonly detail: string,
    /** Seconds after which the same request is worth another try; absent where it isn't. */
    readonly retryAfter?: number,
    options?: ErrorOptions,
  ) {
    super(`${detail} (${code})`, options);
  }

  /** How long the server that answered asks to be left alone, in milliseconds; no longer than five minutes. */
  get asked(): number {
    return this.status === 0 ? 0 : Math.min(LONGEST, 1000 * (this.retryAfter ?? 0));
  }

  /** Nobody answered, for this reason. Sending the same message again is safe: it is stored once. */
  static local(code: LocalCode, detail: string, cause?: unknown): KezError {
    const retryAfter = code === 'malformed' ? undefined : 1;
    return new KezError(code, 0, detail, retryAfter, { cause });
  }

  /** What a code of the protocol says; a foreign one is `internal`. */
  static of(code: string, detail: string, retryAfter?: number): KezError {
    const known = Object.hasOwn(CODES, code) ? CODES[code] : undefined;
    if (!known) return KezError.of('internal', `${code}: ${detail}`);
    return new KezError(code as Code, known[0], detail, retryAfter ?? known[1]);
  }

  /** Reads the header `Nats-Service-Error`. */
  static fromService(text: string): KezError {
    const [, code, detail] = /^(\w+): (.*)$/s.exec(text) ?? [text, 'internal', text];
    return KezError.of(code ?? 'internal', detail ?? text);
  }

  /** Reads an answer over HTTP that isn't a success. */
  static async fromResponse(response: Response): Promise<KezError> {
    const problem = (await response.json().catch(() => undefined)) as Partial<Problem> | undefined;
    const { code, detail = '', retry_after } = problem ?? {};
    if (typeof code === 'string' && Object.hasOwn(CODES, code)) return KezError.of(code, detail, retry_after);
    // A proxy has error pages of its own, and a later server other codes: the status says what is meant.
    const { status, url } = response;
    const said = `${url}: ${status} ${code ?? ''}`;
    const seconds = Number.parseInt(response.headers.get('retry-after') ?? '', 10);
    const asked = seconds >= 0 ? seconds : undefined;
    const meant = status >= 500 ? 'unavailable' : MEANT[status];
    return meant ? KezError.of(meant, said, asked) : new KezError('internal', status, said);
  }
}
