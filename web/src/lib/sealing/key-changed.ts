// What is thrown where a server names another key than before.

import type { Primary } from '../wire.ts';

/** A handle has another key than the pinned one, and nothing proves that its owner changed it. It must not be used. */
export class KeyChanged extends Error {
  override readonly name = 'KeyChanged';
  readonly code = 'key_changed';

  constructor(
    /** The handle with its server. */
    readonly handle: string,
    readonly pinned: Primary,
    readonly offered: Primary,
  ) {
    super(
      `${handle} has another key now, ${offered}, and nothing proves that its owner changed it: the known one is ${pinned} (key_changed)`,
    );
  }
}
