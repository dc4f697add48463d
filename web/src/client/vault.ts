// The vault: the person's seed and the key of the history, under a key from the passphrase.

import { fromHex, hex } from '../lib/bytes.ts';
import type { Identity } from '../lib/identity.ts';
import type { Primary } from '../lib/wire.ts';
import type { Parameters } from './argon2.ts';
import { openBox, sealBox } from './box.ts';
import { engine } from './core.ts';
import { WrongPassphrase } from './errors.ts';

const KEY = 32;
const SALT = 16;

/** What rests. */
export interface Vault {
  readonly salt: Uint8Array;
  readonly cost: Parameters;
  readonly box: Uint8Array;
}

/** What is in it. */
export interface Secrets {
  readonly seed: Uint8Array;
  readonly historyKey: Uint8Array;
  /** Of an account with twelve words, which its seed is only the hash of. */
  readonly twelve: Uint8Array | undefined;
}

/** The keys of somebody who is unlocked. */
export interface Keys {
  readonly identity: Identity;
  readonly history: Uint8Array;
  /** As another window of the same page gets them. */
  readonly secrets: Secrets;
}

export async function keysOf(secrets: Secrets): Promise<Keys> {
  const { Identity } = await engine();
  return { identity: Identity.fromSeed(secrets.seed), history: secrets.historyKey, secrets };
}

/** Closes a vault. */
export async function closeVault(secrets: Secrets, primary: Primary, passphrase: string): Promise<Vault> {
  const { PARAMETERS, stretch } = await import('./argon2.ts');
  const salt = crypto.getRandomValues(new Uint8Array(SALT));
  const key = await stretch(passphrase, salt, PARAMETERS);
  const { seed, historyKey, twelve = new Uint8Array() } = secrets;
  const plain = fromHex(hex(seed) + hex(historyKey) + hex(twelve));
  const box = sealBox(key, about(primary), plain);
  plain.fill(0);
  key.fill(0);
  return { salt, cost: PARAMETERS, box };
}

/** Opens a vault. Throws `WrongPassphrase`. */
export async function openVault(vault: Vault, primary: Primary, passphrase: string): Promise<Secrets> {
  const { stretch } = await import('./argon2.ts');
  const key = await stretch(passphrase, vault.salt, vault.cost);
  let plain: Uint8Array;
  try {
    plain = openBox(key, about(primary), vault.box);
  } catch (cause) {
    throw new WrongPassphrase({ cause });
  } finally {
    key.fill(0);
  }
  const twelve = plain.length > 2 * KEY ? plain.slice(2 * KEY) : undefined;
  const secrets = { seed: plain.slice(0, KEY), historyKey: plain.slice(KEY, 2 * KEY), twelve };
  plain.fill(0);
  return secrets;
}

function about(primary: Primary): string {
  return `vault ${primary}`;
}
