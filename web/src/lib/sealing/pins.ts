// Keys pinned on first use: a server that names another key for a known handle could read what is written to it.

import { strongKey } from '../keys/ed25519.ts';
import { isObject } from '../verify.ts';
import type { Handle, Primary, ServerName } from '../wire.ts';
import { KeyChanged } from './key-changed.ts';

/** A handle's key may be used: it is new and pinned now, the pinned one, or, as was proven, the successor of `from`, and pinned now. */
export type Pinned =
  | { readonly outcome: 'new' | 'same' }
  | { readonly outcome: 'proven'; readonly from: Primary };

/**
 * The key of each handle that one has dealt with. None is ever forgotten by itself, for the next one would be trusted; so a caller pins whom a person writes to
 * or answers, not whoever writes to them.
 */
export class Pins {
  readonly #keys = new Map<string, Primary>();

  /** From what `toJSON` gave. Throws a `TypeError` or a `Refusal`. */
  static fromJSON(kept: unknown): Pins {
    if (!isObject(kept)) throw new TypeError("these aren't pinned keys");
    const pins = new Pins();
    for (const [handle, primary] of Object.entries(kept)) {
      strongKey(primary as Primary);
      pins.#keys.set(handle, primary as Primary);
    }
    return pins;
  }

  /** `{"alice@chat.example.org": "ed25519:…"}` */
  toJSON(): Record<string, Primary> {
    return Object.fromEntries([...this.#keys].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** The key that is pinned. If it isn't the one that a server names, the caller gets the handle's identity log before it calls `check`. */
  get(handle: Handle, server: ServerName): Primary | undefined {
    return this.#keys.get(`${handle}@${server}`);
  }

  /**
   * Whether the key that a server names for a handle may be used. `proves(from, to)` says whether the owner of `from` made `to` its successor; it is asked only
   * if the two differ. Throws `KeyChanged`, and what is refused changes nothing.
   */
  check(
    handle: Handle,
    server: ServerName,
    offered: Primary,
    proves: (from: Primary, to: Primary) => boolean,
  ): Pinned {
    const name = `${handle}@${server}`;
    const pinned = this.#keys.get(name);
    if (pinned === offered) return { outcome: 'same' };
    strongKey(offered);
    if (pinned !== undefined && !proves(pinned, offered)) throw new KeyChanged(name, pinned, offered);
    this.#keys.set(name, offered);
    return pinned === undefined ? { outcome: 'new' } : { outcome: 'proven', from: pinned };
  }
}
