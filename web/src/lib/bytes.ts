// Texts that stand for bytes.

import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';

export { bytesToHex as hex, hexToBytes as fromHex, utf8ToBytes as utf8 };

/** base64url without padding (RFC 4648). */
export function base64url(bytes: Uint8Array): string {
  let binary = '';
  // In pieces: a function takes only so many arguments.
  for (let at = 0; at < bytes.length; at += 8192) {
    binary += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** The bytes of a text that `base64url` gives; undefined for every other text, second spellings of the same bytes too. */
export function fromBase64url(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return undefined;
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = binary.charCodeAt(at);
  // Only the last, shorter group has bits that stand for nothing.
  const [group, rest] = [text.length % 4, bytes.length % 3];
  const end = group === 0 ? '' : base64url(bytes.subarray(bytes.length - rest));
  return text.endsWith(end) ? bytes : undefined;
}
