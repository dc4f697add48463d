// What can go wrong on this side of the wire.

import { KezError } from '../lib/error.ts';

/**
 * `no_storage`: the browser keeps nothing for this page, as in some private windows. `device_full`: there is no room for more. `storage_closed`: another window
 * has a newer version of the application, this one must be loaded again. `locked`: the keys aren't at hand. `key_changed_again`: what the person decided about is no longer the peer's key.
 */
export type ClientCode =
  | 'no_storage'
  | 'device_full'
  | 'storage_closed'
  | 'locked'
  | 'wrong_passphrase'
  | 'foreign_server'
  | 'not_a_peer'
  | 'not_successor'
  | 'key_changed_again'
  | 'file_too_large'
  | 'file_incomplete'
  | 'file_damaged'
  | 'unknown_file';

/** Something that a person can do something about; the words for it are the pages'. */
export class ClientError extends Error {
  override readonly name: string = 'ClientError';

  constructor(
    /** Stable. */
    readonly code: ClientCode,
    options?: ErrorOptions,
  ) {
    super(code, options);
  }
}

/** The vault doesn't open with this passphrase. */
export class WrongPassphrase extends ClientError {
  override readonly name = 'WrongPassphrase';

  constructor(options?: ErrorOptions) {
    super('wrong_passphrase', options);
  }
}

/** `alice@server` of another server: mail doesn't go from server to server. */
export class ForeignServer extends ClientError {
  override readonly name = 'ForeignServer';

  constructor(readonly server: string) {
    super('foreign_server');
  }
}

/** The stable code of whatever was thrown; `unexpected` where it has none. */
export function codeOf(error: unknown): string {
  const { code } = storageError(error) as { code?: unknown };
  return typeof code === 'string' ? code : 'unexpected';
}

/** How long the server that answered asks to be left alone, in milliseconds. */
export function askedPause(error: unknown): number {
  return error instanceof KezError ? error.asked : 0;
}

/** What an error of the database means. */
export function storageError(error: unknown): Error {
  const name = error instanceof Error ? error.name : '';
  if (name === 'QuotaExceededError') return new ClientError('device_full', { cause: error });
  if (name === 'InvalidStateError') return new ClientError('storage_closed', { cause: error });
  return error instanceof Error ? error : new Error(String(error));
}

/** Whether the database couldn't store anything now, whatever it was: for want of room, closed, or broken off. */
export function isStorageError(error: unknown): boolean {
  const ofWhatIsStored = ['ConstraintError', 'DataError', 'DataCloneError'];
  return error instanceof DOMException && !ofWhatIsStored.includes(error.name);
}
