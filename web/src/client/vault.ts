// The vault: the person's seed and the key of the history, under a key from the passphrase.

import { fromHex, hex } from '../lib/bytes.ts';
import type { Identity } from '../lib/identity.ts';
import type { Primary } from '../lib/wire.ts';
import type { Parameters } from './argon2.ts';
import { openJson, sealJson } from './box.ts';
import { engine } from './core.ts';
import { WrongPassphrase } from './errors.ts';

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
  /** Seeds of keys that the person had before, which old mail is sealed to. */
  readonly earlier: readonly Uint8Array[];
}

/** As it is written. */
interface Written {
  readonly seed: string;
  readonly historyKey: string;
  readonly twelve?: string;
  readonly earlier: readonly string[];
}

/** The keys of somebody who is unlocked. */
export interface Keys {
  readonly identity: Identity;
  readonly history: Uint8Array;
  readonly earlier: readonly Identity[];
  /** As another window of the same page gets them. */
  readonly secrets: Secrets;
}

export async function keysOf(secrets: Secrets): Promise<Keys> {
  const { Identity } = await engine();
  const earlier = secrets.earlier.map((seed) => Identity.fromSeed(seed));
  return { identity: Identity.fromSeed(secrets.seed), earlier, history: secrets.historyKey, secrets };
}

/** Takes the keys out of memory; not the history's, for what is being stored at this moment is still sealed by it. */
export function wipe({ identity, earlier, secrets }: Keys): void {
  for (const key of [identity, ...earlier]) key.wipe();
  for (const bytes of [secrets.seed, secrets.twelve, ...secrets.earlier]) bytes?.fill(0);
}

/** Closes a vault. */
export async function closeVault(secrets: Secrets, primary: Primary, passphrase: string): Promise<Vault> {
  const { PARAMETERS, stretch } = await import('./argon2.ts');
  const salt = crypto.getRandomValues(new Uint8Array(SALT));
  const key = await stretch(passphrase, salt, PARAMETERS);
  const { seed, historyKey, twelve, earlier } = secrets;
  const written: Written = {
    seed: hex(seed),
    historyKey: hex(historyKey),
    ...(twelve ? { twelve: hex(twelve) } : {}),
    earlier: earlier.map((seed) => hex(seed)),
  };
  const box = sealJson(key, about(primary), written);
  key.fill(0);
  return { salt, cost: PARAMETERS, box };
}

/** Opens a vault. Throws `WrongPassphrase`. */
export async function openVault(vault: Vault, primary: Primary, passphrase: string): Promise<Secrets> {
  const { stretch } = await import('./argon2.ts');
  const key = await stretch(passphrase, vault.salt, vault.cost);
  let written: Written;
  try {
    written = openJson<Written>(key, about(primary), vault.box);
  } catch (cause) {
    throw new WrongPassphrase({ cause });
  } finally {
    key.fill(0);
  }
  const { seed, historyKey, twelve, earlier } = written;
  return {
    seed: fromHex(seed),
    historyKey: fromHex(historyKey),
    twelve: twelve === undefined ? undefined : fromHex(twelve),
    earlier: earlier.map((seed) => fromHex(seed)),
  };
}

function about(primary: Primary): string {
  return `vault ${primary}`;
}
