// Boxes: what rests on this device, under the history key (XChaCha20-Poly1305, a random nonce before it).

import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { utf8 } from '../lib/bytes.ts';

const NONCE = 24;

/** Seals bytes. `about` says what they are: a box doesn't open as another. */
export function sealBox(key: Uint8Array, about: string, bytes: Uint8Array): Uint8Array {
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE));
  const sealed = xchacha20poly1305(key, nonce, utf8(about)).encrypt(bytes);
  const box = new Uint8Array(NONCE + sealed.length);
  box.set(nonce);
  box.set(sealed, NONCE);
  return box;
}

/** Opens a box. Throws if it isn't one of this key, about this. */
export function openBox(key: Uint8Array, about: string, box: Uint8Array): Uint8Array {
  return xchacha20poly1305(key, box.subarray(0, NONCE), utf8(about)).decrypt(box.subarray(NONCE));
}

/** Seals a value as JSON. */
export function sealJson(key: Uint8Array, about: string, value: unknown): Uint8Array {
  return sealBox(key, about, utf8(JSON.stringify(value)));
}

/** Opens what `sealJson` sealed. */
export function openJson<T>(key: Uint8Array, about: string, box: Uint8Array): T {
  return JSON.parse(new TextDecoder().decode(openBox(key, about, box))) as T;
}
