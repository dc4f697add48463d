// Accounts: how one is made, comes back, or goes on under another key; and how it is kept.

import { KezError } from '../lib/error.ts';
import { lookup, lookupKey, server } from '../lib/http.ts';
import type { ServerInfo } from '../lib/wire.ts';
import { API, type Core, engine } from './core.ts';
import { type Account, clearMail, fact, keepFact, whole } from './database.ts';
import { ClientError } from './errors.ts';
import { closeVault, openVault, type Secrets, type Vault } from './vault.ts';

const HANDLE = /^[a-z0-9][a-z0-9_-]{2,31}$/;

export interface Credentials {
  readonly phrase: string;
  readonly passphrase: string;
}

/** An account that is good, and not yet kept. */
export interface Settled {
  readonly account: Account;
  readonly vault: Vault;
  readonly secrets: Secrets;
  /** The account that is here goes on under another key. */
  readonly succeeds: boolean;
}

/** Who the server is. Throws a `KezError`. */
export async function askServer(core: Core): Promise<ServerInfo> {
  core.server = await server(API);
  await keepFact(core.db, 'server', core.server);
  return core.server;
}

async function serverName(core: Core): Promise<string> {
  return (core.server ?? (await askServer(core))).name;
}

/** A fresh recovery phrase. */
export async function newPhrase(words: 12 | 24): Promise<string> {
  const mnemonic = await import('../lib/keys/mnemonic.ts');
  const bytes = crypto.getRandomValues(new Uint8Array(words === 12 ? 16 : 32));
  return words === 12 ? mnemonic.ofEntropy(bytes) : mnemonic.ofSeed(bytes);
}

/** Whether somebody may have this handle, as far as is known. Throws a `KezError`. */
export async function available(handle: string): Promise<'free' | 'taken' | 'reserved' | 'invalid'> {
  if (!HANDLE.test(handle)) return 'invalid';
  try {
    await lookup(API, handle);
    return 'taken';
  } catch (error) {
    if (!(error instanceof KezError)) throw error;
    if (error.code === 'unknown_handle') return 'free';
    if (error.code === 'reserved_handle') return 'reserved';
    if (error.code === 'invalid_handle') return 'invalid';
    throw error;
  }
}

/** Registers a handle with the key of a phrase. Throws `BadPhrase`, a `KezError`. */
export async function makeAccount(
  core: Core,
  handle: string,
  { phrase, passphrase }: Credentials,
): Promise<Settled> {
  const secrets = await secretsOf(phrase);
  const name = await serverName(core);
  const { Identity, register } = await engine();
  const person = Identity.fromSeed(secrets.seed);
  const { primary } = person;
  // Before it is registered: whatever fails then, the person can come back with the phrase.
  const vault = await closeVault(secrets, primary, passphrase);
  await register(API, name, handle, person);
  return { account: { handle, server: name, primary }, vault, secrets, succeeds: false };
}

/** Finds the account of a phrase. Throws `BadPhrase`, a `KezError`. */
export async function findAccount(
  core: Core,
  { phrase, passphrase }: Credentials,
  earlier: readonly string[],
): Promise<Settled> {
  const before = await Promise.all(earlier.map(secretsOf));
  const secrets = { ...(await secretsOf(phrase)), earlier: before.map(({ seed }) => seed) };
  const name = await serverName(core);
  const { Identity } = await engine();
  const { primary } = Identity.fromSeed(secrets.seed);
  const { handle } = await lookupKey(API, primary);
  const vault = await closeVault(secrets, primary, passphrase);
  return { account: { handle, server: name, primary }, vault, secrets, succeeds: false };
}

/** The same account under the key of another phrase. Throws `WrongPassphrase`, `BadPhrase`, a `KezError`, `not_successor`. */
export async function succeed(core: Core, { phrase, passphrase }: Credentials): Promise<Settled> {
  const old = await openKept(core, passphrase);
  const { server, primary: from } = needAccount(core);
  const next = await secretsOf(phrase);
  const { Identity, peersOf } = await engine();
  const { primary } = Identity.fromSeed(next.seed);
  const { handle } = await lookupKey(API, primary);
  const proven = primary !== from && (await peersOf(core).proves(from, primary));
  if (!proven) throw new ClientError('not_successor');
  const secrets = { ...next, historyKey: old.historyKey, earlier: [old.seed, ...old.earlier] };
  const vault = await closeVault(secrets, primary, passphrase);
  return { account: { handle, server, primary }, vault, secrets, succeeds: true };
}

/** Keeps an account, whose session begins anew. */
export async function keepAccount({ db }: Core, { account, vault, succeeds }: Settled): Promise<void> {
  const tx = whole(db);
  const state = tx.objectStore('state');
  // What a window still stored when the account before this was forgotten.
  if (!succeeds) await clearMail(tx);
  await state.put(account, 'account');
  await state.put(vault, 'vault');
  await state.delete('session');
  await tx.done;
  // So that a browser short of room asks before it deletes.
  void navigator.storage?.persist?.().catch(() => {});
}

/** Opens the vault that is kept. Throws `WrongPassphrase`. */
export async function openKept(core: Core, passphrase: string): Promise<Secrets> {
  const vault = await fact(core.db, 'vault');
  if (!vault) throw new ClientError('locked');
  return openVault(vault, needAccount(core).primary, passphrase);
}

/** The phrase of an account. */
export async function phraseOf({ seed, twelve }: Secrets): Promise<string> {
  const mnemonic = await import('../lib/keys/mnemonic.ts');
  return twelve ? mnemonic.ofEntropy(twelve) : mnemonic.ofSeed(seed);
}

function needAccount({ account }: Core): Account {
  if (!account) throw new ClientError('locked');
  return account;
}

async function secretsOf(phrase: string): Promise<Secrets> {
  const mnemonic = await import('../lib/keys/mnemonic.ts');
  const entropy = mnemonic.entropy(phrase);
  return {
    seed: mnemonic.seed(phrase),
    historyKey: crypto.getRandomValues(new Uint8Array(32)),
    twelve: entropy.length === 16 ? entropy : undefined,
    earlier: [],
  };
}
