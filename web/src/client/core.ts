// What the parts of the client layer share: the database, the channel of the windows, and the keys while they are at hand.

import type { Primary, ServerInfo } from '../lib/wire.ts';
import type { Bus, Change } from './bus.ts';
import type { Account, ConversationRow, Database, SeenRow, Settings } from './database.ts';
import { ClientError } from './errors.ts';
import type { Peers } from './peers.ts';
import type { Keys } from './vault.ts';

/** Base URL of the server: the one that the page is from. */
export const API = globalThis.location?.origin ?? '';

/** The part that mail and keys need, which is as large as all the rest: loaded once there is an account. */
export function engine(): Promise<typeof import('./engine.ts')> {
  return import('./engine.ts');
}

export const DEFAULTS: Settings = { transport: 'auto', lockAfter: 15 };

export class Core {
  keys: Keys | undefined;
  account: Account | undefined;
  server: ServerInfo | undefined;
  settings: Settings = DEFAULTS;
  /** One's own copies that were sent from here, by their `enc`: what is in them is here already. */
  readonly ownCopies = new Map<string, SeenRow>();
  /** Made by `peersOf`. */
  peers: Peers | undefined;

  constructor(
    readonly db: Database,
    readonly bus: Bus,
  ) {}

  /** Throws `locked`. */
  needKeys(): Keys {
    if (!this.keys) throw new ClientError('locked');
    return this.keys;
  }

  /** The name of the server that the account is at. */
  get domain(): string {
    return this.account?.server ?? this.server?.name ?? '';
  }

  /** Tells every window what changed. */
  changed(...changes: readonly Change[]): void {
    if (changes.length > 0) this.bus.tell({ type: 'changed', changes });
  }

  /** The conversation with a peer, by any key that they had. */
  conversation(primary: Primary): Promise<ConversationRow | undefined> {
    return this.db.getFromIndex('conversations', 'keys', primary);
  }
}
