// The service worker: it is registered, and its successor is noticed.

/** Milliseconds between looks for a new version, while the page is open. */
const LOOK = 3600_000;

export class Update {
  readonly #ready: () => void;
  #waiting: ServiceWorker | null = null;

  /** `ready` is called when a newer version waits. */
  constructor(ready: () => void) {
    this.#ready = ready;
  }

  /** Registers the worker that the build made. Without one the page works all the same, but not without a network. */
  async watch(): Promise<void> {
    if (!import.meta.env.PROD || !navigator.serviceWorker) return;
    // The files of an older page are gone once a newer worker has taken over, whichever window let it.
    if (navigator.serviceWorker.controller) {
      navigator.serviceWorker.addEventListener('controllerchange', () => globalThis.location.reload());
    }
    try {
      const registration = await navigator.serviceWorker.register('/sw.js');
      const look = () => this.#look(registration);
      look();
      registration.addEventListener('updatefound', () => {
        registration.installing?.addEventListener('statechange', look);
      });
      setInterval(() => void registration.update().catch(() => {}), LOOK);
    } catch {
      // Not allowed here, or the server is away.
    }
  }

  /** Lets the newer version take over; every window is loaded again by it. */
  take(): void {
    this.#waiting?.postMessage('activate');
  }

  #look({ waiting }: ServiceWorkerRegistration): void {
    if (!waiting || !navigator.serviceWorker.controller) return;
    this.#waiting = waiting;
    this.#ready();
  }
}
