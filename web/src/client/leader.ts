// Which of the windows gets the mail and sends: the one that holds a lock, for as long as it lives.

const LOCK = 'kez-chat-mail';

/** Waits to lead, leads, and waits again if another window took it over, until `stop`. */
export async function lead(stop: AbortSignal, work: (over: AbortSignal) => Promise<void>): Promise<void> {
  while (!stop.aborted) {
    const over = new AbortController();
    const end = () => over.abort();
    stop.addEventListener('abort', end);
    try {
      await navigator.locks.request(LOCK, { signal: stop }, () => work(AbortSignal.any([over.signal, stop])));
    } catch (error) {
      // Taken over by `seize`, or stopped while it waited.
      if (!(error instanceof DOMException) || error.name !== 'AbortError') throw error;
    } finally {
      over.abort();
      stop.removeEventListener('abort', end);
    }
  }
}

/** Whether some window has the mail. */
export async function anotherLeads(): Promise<boolean> {
  const { held = [] } = await navigator.locks.query();
  return held.some(({ name }) => name === LOCK);
}

/** Takes the lock from a window that doesn't answer, as one that its browser froze. Whoever had it stops. */
export async function seize(): Promise<void> {
  await navigator.locks.request(LOCK, { steal: true }, async () => {});
}
