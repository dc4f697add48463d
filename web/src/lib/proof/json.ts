import { parseStrict } from '../json.ts';
import { CLAIM_BYTES } from '../limits.ts';
import { Refusal } from '../refusal.ts';
import { isObject } from '../verify.ts';
import { Undecodable } from './undecodable.ts';

/** Bytes that are one JSON object, as signatures need it, at most 16 KiB. Throws an `Undecodable`. */
export function jsonObject(bytes: Uint8Array): Uint8Array {
  if (bytes.length > CLAIM_BYTES) throw new Undecodable('too_large');
  try {
    if (isObject(parseStrict(bytes))) return bytes;
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause;
    throw new Undecodable('corrupt', { cause });
  }
  throw new Undecodable('corrupt');
}
