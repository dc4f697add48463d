// Whether this window has the keys.

import type { Core } from './core.ts';
import { type Keys, keysOf, type Secrets, wipe } from './vault.ts';

export interface Doors {
  /** The keys are here: what is to be shown is read. */
  opening(): Promise<void>;
  opened(): void;
  /** The keys are gone: nothing that somebody said is shown any more. */
  closed(): Promise<void>;
}

export class Lock {
  readonly #core: Core;
  readonly #doors: Doors;
  /** How often it was locked: what began to unlock it before that comes too late. */
  #locks = 0;

  constructor(core: Core, doors: Doors) {
    this.#core = core;
    this.#doors = doors;
  }

  /** Unlocks every window, as soon as the secrets are there. A lock that comes meanwhile counts. Throws what they throw. */
  async unlock(coming: Promise<Secrets>): Promise<void> {
    const locks = this.#locks;
    const secrets = await coming;
    const open = await this.#open(await keysOf(secrets), locks);
    if (open) this.#core.bus.tellOthers({ type: 'unlocked', secrets });
  }

  /** Another window was unlocked. */
  async take(secrets: Secrets): Promise<void> {
    const locks = this.#locks;
    const keys = await keysOf(secrets);
    if (this.#core.keys) wipe(keys);
    else await this.#open(keys, locks);
  }

  /** Locks this window. */
  async close(): Promise<void> {
    const { keys } = this.#core;
    this.#locks += 1;
    this.#core.keys = undefined;
    if (keys) wipe(keys);
    await this.#doors.closed();
  }

  /** Says whether it is open, and wasn't locked since there were so many `locks`. */
  async #open(keys: Keys, locks: number): Promise<boolean> {
    // Another account's, of a window that is about to be loaded again.
    const foreign = keys.identity.primary !== this.#core.account?.primary;
    if (foreign || locks !== this.#locks) {
      wipe(keys);
      return false;
    }
    this.#core.keys = keys;
    await this.#doors.opening();
    if (locks !== this.#locks) return false;
    this.#doors.opened();
    return true;
  }
}
