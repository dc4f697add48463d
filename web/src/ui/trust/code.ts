// The text within the QR code by which two people compare their keys.

import type { Primary } from '../../lib/wire.ts';

const FORM = /^kez:verify:([a-z0-9.-]+):([a-z0-9_-]+):(ed25519:[0-9a-f]{64})$/;

/** `kez:verify:<server>:<handle>:<primary>` */
export function codeText(person: { server: string; handle: string; primary: Primary }): string {
  return `kez:verify:${person.server}:${person.handle}:${person.primary}`;
}

/** The key that a code names; undefined where it is no such code. */
export function keyOfCode(text: string): Primary | undefined {
  return FORM.exec(text.trim())?.[3];
}
