// The service worker: the application opens without a network. It keeps the build's own files and nothing else; what the server answers is never kept.

interface Precache {
  readonly version: string;
  readonly files: readonly string[];
}

interface WorkerScope {
  readonly location: Location;
  readonly clients: {
    claim(): Promise<void>;
    matchAll(options: { type: 'window'; includeUncontrolled: true }): Promise<readonly WindowClient[]>;
    openWindow(url: string): Promise<unknown>;
  };
  skipWaiting(): Promise<void>;
  addEventListener(type: string, listener: (event: WorkerEvent) => void): void;
}

interface WindowClient {
  focus(): Promise<unknown>;
  postMessage(message: unknown): void;
}

interface WorkerEvent extends Event {
  readonly request: Request;
  readonly data?: unknown;
  readonly notification: { readonly data: { readonly conversation?: string } | null; close(): void };
  waitUntil(work: Promise<unknown>): void;
  respondWith(answer: Promise<Response>): void;
}

/** Put in by the build. */
declare const __PRECACHE__: Precache;

const { version, files } = __PRECACHE__;
const PREFIX = 'kez-app-';
const CACHE = PREFIX + version;
const PAGE = '/index.html';
const kept = new Set(files);
const worker = globalThis as unknown as WorkerScope;

worker.addEventListener('install', (event) => {
  event.waitUntil(keep());
});

worker.addEventListener('activate', (event) => {
  event.waitUntil(forgetOthers().then(() => worker.clients.claim()));
});

// A page that offers the new version says when.
worker.addEventListener('message', (event) => {
  if (event.data === 'activate') event.waitUntil(worker.skipWaiting());
});

worker.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== 'GET' || url.origin !== worker.location.origin) return;
  const name = url.pathname === '/' ? PAGE : url.pathname;
  if (!kept.has(name)) return;
  event.respondWith(serve(name, event.request));
  if (name === PAGE) event.waitUntil(renew());
});

worker.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil(show(event.notification.data?.conversation));
});

/** Brings a window to the front, at this conversation. */
async function show(conversation: string | undefined): Promise<void> {
  const [window] = await worker.clients.matchAll({ type: 'window', includeUncontrolled: true });
  if (!window) {
    await worker.clients.openWindow('/');
    return;
  }
  window.postMessage({ open: conversation });
  await window.focus();
}

/** All or nothing. The page itself is fetched by its address, which proxies know. */
async function keep(): Promise<void> {
  const cache = await caches.open(CACHE);
  await Promise.all(
    files.map(async (name) => {
      const response = await fetch(name === PAGE ? '/' : name, { cache: 'no-cache' });
      if (!response.ok) throw new Error(`${name}: ${response.status}`);
      await cache.put(name, response);
    }),
  );
}

/**
 * The policy that comes with the page may change without the build, as where NATS is reached elsewhere: it is taken over for the next time. A page of
 * another build comes with its own worker.
 */
async function renew(): Promise<void> {
  const cache = await caches.open(CACHE);
  const now = await fetch('/', { cache: 'no-cache' }).catch(() => undefined);
  const before = await cache.match(PAGE);
  if (!before || !now?.ok) return;
  const renewed = now.clone();
  if ((await before.text()) === (await now.text())) await cache.put(PAGE, renewed);
}

async function forgetOthers(): Promise<void> {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
}

/** From what was kept, or, where the browser threw that away, from the server. */
async function serve(name: string, request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  return (await cache.match(name)) ?? fetch(request);
}
