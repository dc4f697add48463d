// Whether somebody is there: after a while without use the keys are locked away.

import type { Core } from './core.ts';

/** Between looks, in milliseconds. */
const LOOK = 10_000;
/** No browser holds a timer back so long. */
const SLEPT = 90_000;
/** Use is told to the other windows at most so often. */
const TOLD = 5_000;

export interface Watcher {
  /** Nobody used any window for too long. */
  idle(): void;
  /** The device slept: what was connected isn't any more, and doesn't know. */
  slept(): void;
  /** The window is looked at again. */
  seen(): void;
  /** The network came or went. */
  network(): void;
  /** The page may end now. */
  leaving(): void;
}

export class Presence {
  readonly #core: Core;
  readonly #watcher: Watcher;
  #used = Date.now();
  #told = 0;
  #looked = Date.now();

  constructor(core: Core, watcher: Watcher) {
    this.#core = core;
    this.#watcher = watcher;
  }

  watch(): void {
    setInterval(() => this.#look(), LOOK);
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'hidden') return;
      this.#look();
      this.#watcher.seen();
    });
    globalThis.addEventListener('online', () => this.#watcher.network());
    globalThis.addEventListener('offline', () => this.#watcher.network());
    globalThis.addEventListener('pagehide', () => this.#watcher.leaving());
  }

  /** Somebody uses this window, or another one. */
  used(): void {
    this.#used = Date.now();
  }

  /** Somebody uses this window. */
  usedHere(): void {
    this.used();
    if (this.#used - this.#told < TOLD) return;
    this.#told = this.#used;
    this.#core.bus.tellOthers({ type: 'touched' });
  }

  #look(): void {
    const now = Date.now();
    if (now - this.#looked > SLEPT) this.#watcher.slept();
    this.#looked = now;
    const { lockAfter } = this.#core.settings;
    const idle = lockAfter > 0 && now - this.#used > lockAfter * 60_000;
    if (idle && this.#core.keys) this.#watcher.idle();
  }
}
