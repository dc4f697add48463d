// Reading what somebody signed: `kez_proto::envelope::verify`, for browsers.

import { ed25519 } from '@noble/curves/ed25519.js';
import { fromHex, utf8 } from './bytes.ts';
import { canonical } from './canonical.ts';
import { publicKeyOf } from './identity.ts';
import { parseStrict } from './json.ts';
import { Refusal, type RefusalCode } from './refusal.ts';
import type { Primary } from './wire.ts';

type Members = Readonly<Record<string, unknown>>;

/** An envelope whose signature holds. */
export interface Verified {
  /** With every member that was signed. */
  readonly payload: Members;
  /** Who signed. */
  readonly primary: Primary;
}

/**
 * Parses and verifies an envelope that must have this tag, this payload `type` and version 1. The rest of the payload is the caller's matter.
 *
 * Throws a `Refusal`, in this order: those of `parseStrict`, `malformed_json`, `wrong_tag`, `wrong_type`, `wrong_version`, `unsupported_alg`, `key_mismatch`,
 * `invalid_primary`, `bad_signature`.
 */
export function verify(bytes: Uint8Array, tag: string, type: string): Verified {
  const envelope = members(parseStrict(bytes), ['kez', 'payload', 'signature']);
  const { alg, key, sig } = members(envelope.signature, ['alg', 'key', 'sig']);
  const texts = [envelope.kez, alg, key, sig].every((text) => typeof text === 'string');
  if (!texts) throw new Refusal('malformed_json');
  demand(envelope.kez === tag, 'wrong_tag');
  const payload = isObject(envelope.payload) ? envelope.payload : {};
  demand(payload.type === type, 'wrong_type');
  demand(payload.version === 1, 'wrong_version');
  demand(alg === 'ed25519-sha512-jcs', 'unsupported_alg');
  demand(payload.primary === key, 'key_mismatch');
  const primary = key as Primary;
  const publicKey = strongKey(primary);
  const signature = /^[0-9a-f]{128}$/.test(sig as string) && fromHex(sig as string);
  // The default takes signatures and keys in second spellings.
  const holds =
    signature && ed25519.verify(signature, utf8(canonical(payload)), publicKey, { zip215: false });
  demand(holds, 'bad_signature');
  return { payload, primary };
}

/** The bytes of a primary that is a canonical point and isn't weak. Throws `invalid_primary`. */
export function strongKey(primary: Primary): Uint8Array {
  try {
    const bytes = publicKeyOf(primary);
    if (!ed25519.Point.fromBytes(bytes, false).isSmallOrder()) return bytes;
  } catch (cause) {
    throw new Refusal('invalid_primary', { cause });
  }
  throw new Refusal('invalid_primary');
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

function demand(condition: unknown, code: RefusalCode): asserts condition {
  if (!condition) throw new Refusal(code);
}
