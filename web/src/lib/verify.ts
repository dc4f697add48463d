// Reading what somebody signed: `kez_proto::envelope::verify` and `kez_proto::identity::verify_envelope`, for browsers.

import { utf8 } from './bytes.ts';
import { canonical } from './canonical.ts';
import { parseStrict } from './json.ts';
import { ED25519, type Suite, verifySignature } from './keys/suite.ts';
import { Refusal, type RefusalCode } from './refusal.ts';
import type { Key } from './wire.ts';

export type Members = Readonly<Record<string, unknown>>;

/** An envelope whose signature holds. */
export interface Verified {
  /** With every member that was signed. */
  readonly payload: Members;
  /** Who signed. */
  readonly primary: Key;
}

/**
 * Parses and verifies an envelope of a chat handle, which must have this tag, this payload `type` and version 1, and be signed by Ed25519. The rest of the
 * payload is the caller's matter. `verifyEnvelope` takes the other suites, too.
 *
 * Throws a `Refusal`, in this order: those of `parseStrict`, `malformed_json`, `wrong_tag`, `wrong_type`, `wrong_version`, `unsupported_alg`, `key_mismatch`,
 * `invalid_primary`, `bad_signature`.
 */
export function verify(bytes: Uint8Array, tag: string, type: string): Verified {
  return verifyBy([ED25519], bytes, tag, type);
}

/** As `verify`, by any of these suites. */
export function verifyBy(suites: readonly Suite[], bytes: Uint8Array, tag: string, type: string): Verified {
  const envelope = members(parseStrict(bytes), ['kez', 'payload', 'signature']);
  const { alg, key, sig } = members(envelope.signature, ['alg', 'key', 'sig']);
  const texts = [envelope.kez, alg, key, sig].every((text) => typeof text === 'string');
  if (!texts) throw new Refusal('malformed_json');
  demand(envelope.kez === tag, 'wrong_tag');
  const payload = isObject(envelope.payload) ? envelope.payload : {};
  demand(payload.type === type, 'wrong_type');
  demand(payload.version === 1, 'wrong_version');
  const suite = suites.find((suite) => suite.alg === alg);
  demand(suite, 'unsupported_alg');
  demand(payload.primary === key, 'key_mismatch');
  const primary = key as Key;
  verifySignature(suite, primary, utf8(canonical(payload)), sig as string);
  return { payload, primary };
}

export function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An object of exactly these members. */
function members(value: unknown, names: string[]): Members {
  if (isObject(value)) {
    const exact = Object.keys(value).length === names.length && names.every((n) => Object.hasOwn(value, n));
    if (exact) return value;
  }
  throw new Refusal('malformed_json');
}

export function demand(condition: unknown, code: RefusalCode): asserts condition {
  if (!condition) throw new Refusal(code);
}
