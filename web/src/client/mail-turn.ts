// This window's turn to get the mail and to send.

import type { Primary } from '../lib/wire.ts';
import type { Notice } from './bus.ts';
import { type Core, engine } from './core.ts';
import { codeOf } from './errors.ts';
import { lead, seize } from './leader.ts';
import type { MailWork } from './work.ts';

/** In which the window that gets the mail must answer one that is looked at, in milliseconds. */
const ANSWER = 5_000;
/** Before what couldn't be loaded is loaded again, in milliseconds. */
const AGAIN = 10_000;

/** What brings the work along. */
type Load = () => Promise<{
  readonly MailWork: new (...args: ConstructorParameters<typeof MailWork>) => MailWork;
}>;

export class MailTurn {
  readonly #core: Core;
  readonly #stop: AbortSignal;
  readonly #news: (conversations: readonly Primary[]) => void;
  readonly #load: Load;
  #waiting = false;
  #work: MailWork | undefined;
  #answered = false;

  /** Until `stop`. `news` is as of `MailWork`. */
  constructor(
    core: Core,
    stop: AbortSignal,
    news: (conversations: readonly Primary[]) => void,
    load: Load = engine,
  ) {
    this.#core = core;
    this.#stop = stop;
    this.#news = news;
    this.#load = load;
  }

  /** The work, while it is this window's turn. */
  get work(): MailWork | undefined {
    return this.#work;
  }

  /** Waits for its turn, and works then. `failed` is called with the code of what it can't be done for; it is tried again. */
  async wait(failed: (code: string) => void): Promise<void> {
    if (this.#waiting) return;
    this.#waiting = true;
    while (!this.#stop.aborted) {
      try {
        const { MailWork } = await this.#load();
        await lead(this.#stop, (over) => this.#run(new MailWork(this.#core, this.#news), over));
      } catch (error) {
        failed(codeOf(error));
        await pause(AGAIN);
      }
    }
    this.#waiting = false;
  }

  async #run(work: MailWork, over: AbortSignal): Promise<void> {
    this.#work = work;
    try {
      await work.run(over);
    } finally {
      this.#work = undefined;
    }
  }

  hear({ type }: Notice): void {
    if (type === 'ping' && this.#work) this.#core.bus.tellOthers({ type: 'awake' });
    if (type === 'awake') this.#answered = true;
  }

  /** Whoever gets the mail answers, or is replaced by this window, which is looked at. */
  async demand(): Promise<void> {
    this.#answered = false;
    this.#core.bus.tellOthers({ type: 'ping' });
    await pause(ANSWER);
    if (!this.#answered && !this.#work && document.visibilityState === 'visible') await seize();
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
