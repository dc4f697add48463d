// The client: who is here, whether they are unlocked, and their conversations. One in each window; one of the windows gets the mail for all.

import { KezError } from '../lib/error.ts';
import { lookup, lookupKey, server } from '../lib/http.ts';
import type { Primary, ServerInfo } from '../lib/wire.ts';
import { Bus, type Change, type Notice, type Status } from './bus.ts';
import { Chat } from './chat.svelte.ts';
import { changeRow, newRow, viewOf } from './conversations.ts';
import { API, Core, DEFAULTS, engine } from './core.ts';
import {
  type ConversationRow,
  type Database,
  fact,
  keepFact,
  openDatabase,
  STORES,
  whole,
} from './database.ts';
import { ClientError, codeOf } from './errors.ts';
import { allChunks } from './files.ts';
import { IdentityLog } from './identity.svelte.ts';
import { anotherLeads, lead, seize } from './leader.ts';
import { search } from './search.ts';
import type { Conversation, Hit, Live, Peer, Phase, Transport, TransportChoice } from './types.ts';
import { Update } from './update.ts';
import { closeVault, type Keys, keysOf, openVault, type Secrets } from './vault.ts';
import type { MailWork } from './work.ts';

/** Between looks at whether the keys are to be locked away, in milliseconds. */
const IDLE_LOOK = 10_000;
/** No browser holds a timer back so long. */
const SLEPT = 90_000;
/** Use is told to the other windows at most so often. */
const TOUCH = 5_000;
/** In which the window that gets the mail must answer one that is looked at. */
const ANSWER = 5_000;
/** In which a window that is unlocked tells a new one so. */
const ANSWER_HELLO = 200;
const HANDLE = /^[a-z0-9][a-z0-9_-]{2,31}$/;

export class Client {
  phase: Phase = $state('loading');
  /** Why the page can do nothing (`no_storage`, `storage_closed`), or no mail comes for good: a stable code. */
  problem: string | undefined = $state();
  server: ServerInfo | undefined = $state.raw();
  /** There when it is locked, too. */
  account: { handle: string; server: string; primary: Primary } | undefined = $state.raw();
  live: Live = $state('connecting');
  /** What streams now. */
  transport: Transport | undefined = $state();
  transportChoice: TransportChoice = $state(DEFAULTS.transport);
  /** Minutes; 0 for never. */
  lockAfter: number = $state(DEFAULTS.lockAfter);
  /** Over all conversations but blocked ones, and what came while locked. */
  unread = $state(0);
  /** Newest first; none while locked. */
  conversations: readonly Conversation[] = $state.raw([]);
  outboxSize = $state(0);
  /** The conversation that is open. */
  current: Chat | undefined = $state.raw();
  /** A newer version of the application is here: `update` takes it. */
  updateReady = $state(false);
  /** Called in one window alone, for each message that came; while locked without a conversation. For notifications. */
  onNews: ((news: { conversation?: Conversation }) => void) | undefined;
  readonly identity: IdentityLog;

  readonly #core: Core;
  readonly #stop = new AbortController();
  readonly #rows = new Map<Primary, ConversationRow>();
  readonly #found = new Map<Primary, string>();
  #touched = Date.now();
  #told = 0;
  #leading = false;
  #answered = false;
  /** While this window is the one that gets the mail. */
  #work: MailWork | undefined;
  readonly #stale = new Set<Primary>();
  readonly #update = new Update(() => {
    this.updateReady = true;
  });
  #refreshing: Promise<void> = Promise.resolve();

  private constructor(db: Database | undefined, bus: Bus) {
    // Without a database nothing is ever asked of it: the phase stays `loading`.
    this.#core = new Core(db as Database, bus);
    this.identity = new IdentityLog(this.#core);
  }

  /** Opens what is kept on this device, and asks who the server is. Never throws; see `problem`. */
  static async start(): Promise<Client> {
    const bus = new Bus();
    if (!globalThis.isSecureContext) {
      const client = new Client(undefined, bus);
      client.phase = 'insecure';
      return client;
    }
    let client: Client | undefined;
    const closed = () => {
      if (client) client.#fail('storage_closed');
    };
    try {
      client = new Client(await openDatabase(closed), bus);
      await client.#begin();
      return client;
    } catch (error) {
      client ??= new Client(undefined, bus);
      client.#fail(codeOf(error));
      return client;
    }
  }

  #fail(problem: string): void {
    this.#stop.abort();
    this.phase = 'loading';
    this.problem = problem;
  }

  /** Loads the newer version of the application, in every window. */
  update(): void {
    this.#update.take();
  }

  async #begin(): Promise<void> {
    void this.#update.watch();
    const core = this.#core;
    core.settings = { ...DEFAULTS, ...(await fact(core.db, 'settings')) };
    this.#showSettings();
    core.server = await fact(core.db, 'server');
    this.server = core.server;
    core.account = await fact(core.db, 'account');
    this.account = core.account;
    core.bus.listen((notice) => this.#hear(notice));
    this.#watchPage();
    const known = this.#learnServer();
    if (!core.server) await known;
    core.bus.tellOthers({ type: 'hello' });
    if (core.account) {
      // Another window may hand over the keys: nobody is asked for a passphrase then.
      if (await anotherLeads()) await pause(ANSWER_HELLO);
      if (!core.keys) await this.#lockedHere();
      void this.#lead();
    } else {
      this.phase = 'welcome';
    }
  }

  /** Who the server is; what it said last time counts while it is away. */
  async #learnServer(): Promise<void> {
    try {
      const info = await server(API);
      this.#core.server = info;
      this.server = info;
      await keepFact(this.#core.db, 'server', info);
    } catch (error) {
      if (!(error instanceof KezError)) throw error;
    }
  }

  async #needServer(): Promise<ServerInfo> {
    if (!this.server) {
      this.#core.server = await server(API);
      this.server = this.#core.server;
      await keepFact(this.#core.db, 'server', this.#core.server);
    }
    return this.#core.server as ServerInfo;
  }

  /** A fresh recovery phrase. */
  async newPhrase(words: 12 | 24): Promise<string> {
    const mnemonic = await import('../lib/keys/mnemonic.ts');
    const bytes = crypto.getRandomValues(new Uint8Array(words === 12 ? 16 : 32));
    return words === 12 ? mnemonic.ofEntropy(bytes) : mnemonic.ofSeed(bytes);
  }

  /** The eight words of a key's fingerprint, to be compared by people: 88 bits of its hash. */
  async fingerprint(primary: Primary): Promise<readonly string[]> {
    return (await import('./fingerprint.ts')).fingerprint(primary);
  }

  /** Whether somebody may have this handle, as far as is known: only registering it says so for certain. Throws a `KezError`. */
  async available(handle: string): Promise<'free' | 'taken' | 'reserved' | 'invalid'> {
    if (!HANDLE.test(handle)) return 'invalid';
    try {
      await lookup(API, handle);
      return 'taken';
    } catch (error) {
      if (!(error instanceof KezError)) throw error;
      if (error.code === 'unknown_handle') return 'free';
      if (error.code === 'reserved_handle') return 'reserved';
      if (error.code === 'invalid_handle') return 'invalid';
      throw error;
    }
  }

  /** Registers a handle with the key of a phrase, and keeps both on this device. Throws `BadPhrase`, a `KezError`. */
  async create({ handle, phrase, passphrase }: { handle: string; phrase: string; passphrase: string }) {
    const secrets = await secretsOf(phrase);
    const { name } = await this.#needServer();
    const { Identity, register } = await engine();
    const person = Identity.fromSeed(secrets.seed);
    const vault = await closeVault(secrets, person.primary, passphrase);
    await register(API, name, handle, person);
    await this.#settle({ handle, server: name, primary: person.primary }, vault, secrets);
  }

  /**
   * Comes back with a phrase; `earlier` are those of keys that the person had before, for old mail. Throws `BadPhrase`; a `KezError`: `unknown_primary` where the
   * key has no handle here.
   */
  async restore({ phrase, passphrase, earlier = [] }: Credentials & { earlier?: readonly string[] }) {
    const before = await Promise.all(earlier.map(secretsOf));
    const secrets = { ...(await secretsOf(phrase)), earlier: before.map(({ seed }) => seed) };
    const { name } = await this.#needServer();
    const { Identity } = await engine();
    const { primary } = Identity.fromSeed(secrets.seed);
    const { handle } = await lookupKey(API, primary);
    const vault = await closeVault(secrets, primary, passphrase);
    await this.#settle({ handle, server: name, primary }, vault, secrets);
  }

  /**
   * Goes on under the person's new key, which took this one's place on another device. What is here stays, and old mail can be read. Throws `WrongPassphrase`,
   * `BadPhrase`, a `KezError`, and `not_successor` where the identity log doesn't prove the change.
   */
  async takeNewKey({ phrase, passphrase }: Credentials): Promise<void> {
    const { account } = this;
    if (!account) throw new ClientError('locked');
    const old = await this.#openVault(passphrase);
    const next = await secretsOf(phrase);
    const { Identity, peersOf } = await engine();
    const { primary } = Identity.fromSeed(next.seed);
    const { handle } = await lookupKey(API, primary);
    const proven = await peersOf(this.#core).proves(account.primary, primary);
    if (!proven || primary === account.primary) throw new ClientError('not_successor');
    const secrets = { ...next, historyKey: old.historyKey, earlier: [old.seed, ...old.earlier] };
    const vault = await closeVault(secrets, primary, passphrase);
    await this.#settle({ handle, server: account.server, primary }, vault, secrets);
  }

  async #settle(
    account: NonNullable<Client['account']>,
    vault: Awaited<ReturnType<typeof closeVault>>,
    secrets: Secrets,
  ): Promise<void> {
    const { db, bus } = this.#core;
    const tx = db.transaction('state', 'readwrite', { durability: 'strict' });
    await tx.store.put(account, 'account');
    await tx.store.put(vault, 'vault');
    await tx.store.delete('session');
    await tx.done;
    // So that a browser short of room asks before it deletes.
    void navigator.storage?.persist?.().catch(() => {});
    this.#core.account = account;
    this.account = account;
    bus.tellOthers({ type: 'account' });
    await this.#open(await keysOf(secrets));
    bus.tellOthers({ type: 'unlocked', secrets });
    void this.#lead();
  }

  /** Throws `WrongPassphrase`. */
  async unlock(passphrase: string): Promise<void> {
    const secrets = await this.#openVault(passphrase);
    await this.#open(await keysOf(secrets));
    this.#core.bus.tellOthers({ type: 'unlocked', secrets });
  }

  /** The recovery phrase. Throws `WrongPassphrase`. */
  async revealPhrase(passphrase: string): Promise<string> {
    const { seed, twelve } = await this.#openVault(passphrase);
    const mnemonic = await import('../lib/keys/mnemonic.ts');
    return twelve ? mnemonic.ofEntropy(twelve) : mnemonic.ofSeed(seed);
  }

  async #openVault(passphrase: string): Promise<Secrets> {
    const vault = await fact(this.#core.db, 'vault');
    if (!vault || !this.account) throw new ClientError('locked');
    return openVault(vault, this.account.primary, passphrase);
  }

  /** Locks the keys away, in every window. Mail goes on coming, sealed. */
  lock(): void {
    this.#core.bus.tell({ type: 'locked' });
  }

  /** The person uses this window. */
  touched(): void {
    const now = Date.now();
    this.#touched = now;
    if (now - this.#told < TOUCH) return;
    this.#told = now;
    this.#core.bus.tellOthers({ type: 'touched' });
  }

  async setLockAfter(minutes: number): Promise<void> {
    await this.#changeSettings({ lockAfter: minutes });
  }

  async chooseTransport(choice: TransportChoice): Promise<void> {
    await this.#changeSettings({ transport: choice });
    this.#core.bus.tell({ type: 'wake' });
  }

  async #changeSettings(change: Partial<Core['settings']>): Promise<void> {
    this.#core.settings = { ...this.#core.settings, ...change };
    await keepFact(this.#core.db, 'settings', this.#core.settings);
    this.#core.bus.tell({ type: 'settings' });
  }

  #showSettings(): void {
    this.transportChoice = this.#core.settings.transport;
    this.lockAfter = this.#core.settings.lockAfter;
  }

  /** Deletes everything that is on this device. The account stays, for whoever has its phrase. */
  async forget(): Promise<void> {
    const { db, bus } = this.#core;
    this.#stop.abort();
    const tx = whole(db);
    for (const store of STORES) await tx.objectStore(store).clear();
    await tx.done;
    bus.tellOthers({ type: 'account' });
    globalThis.location.reload();
  }

  /** Who is meant by a handle, `handle@server` or a key. Throws a `KezError`, `KeyChanged`, `ForeignServer`, `not_a_peer`. */
  async findPeer(text: string): Promise<Peer> {
    const { findPeer } = await engine();
    const { primary, handle } = await findPeer(this.#core, text);
    this.#found.set(primary, handle);
    const verified = (await this.#core.conversation(primary))?.verified ?? false;
    return { primary, handle, server: this.#core.domain, verified };
  }

  /** Opens a conversation, which is `current` then. Its messages come in a moment. */
  open(primary: Primary): Chat {
    this.current?.close();
    const known = [...this.#rows.values()].find((row) => row.keys.includes(primary));
    const row = known ?? this.#newRow(primary);
    const chat = new Chat(this.#core, row);
    this.current = chat;
    void (known ? Promise.resolve() : this.#storeRow(row)).then(() => chat.load());
    return chat;
  }

  #newRow(primary: Primary): ConversationRow {
    const row = newRow(this.#core.needKeys().history, primary, this.#core.domain);
    const handle = this.#found.get(primary);
    return handle === undefined ? row : { ...row, handle };
  }

  async #storeRow(row: ConversationRow): Promise<void> {
    const tx = this.#core.db.transaction('conversations', 'readwrite');
    if ((await tx.store.index('keys').getKey(row.primary)) === undefined) await tx.store.add(row);
    await tx.done;
    this.#core.changed({ conversation: row.id });
  }

  /** Deletes a conversation from this device. */
  async deleteConversation(primary: Primary): Promise<void> {
    const tx = whole(this.#core.db);
    const row = await tx.objectStore('conversations').index('keys').get(primary);
    if (row) {
      const range = IDBKeyRange.bound([row.id], [row.id, []]);
      let cursor = await tx.objectStore('messages').openCursor(range);
      while (cursor) {
        await tx.objectStore('chunks').delete(allChunks(cursor.value.id));
        const waiting = await tx.objectStore('outbox').index('id').getKey(cursor.value.id);
        if (waiting !== undefined) await tx.objectStore('outbox').delete(waiting);
        await cursor.delete();
        cursor = await cursor.continue();
      }
      await tx.objectStore('conversations').delete(row.id);
    }
    await tx.done;
    if (this.current && this.current.peer.id === row?.id) this.closeChat();
    if (row) this.#core.changed({ conversation: row.id });
  }

  /** Closes the conversation that is open. */
  closeChat(): void {
    this.current?.close();
    this.current = undefined;
  }

  /** What a blocked sender writes is stored, and neither counted nor told. */
  async setBlocked(primary: Primary, blocked: boolean): Promise<void> {
    const row = await this.#core.conversation(primary);
    if (!row) return;
    await changeRow(this.#core.db, row.id, (row) => {
      row.blocked = blocked;
      if (blocked) row.unread = 0;
    });
    this.#core.changed({ conversation: row.id });
  }

  /** Messages that have this text, newest first, until `stop`. */
  search(text: string, stop: AbortSignal): AsyncIterable<Hit> {
    return search(this.#core, text, stop);
  }

  async #open(keys: Keys): Promise<void> {
    this.#core.keys = keys;
    this.#touched = Date.now();
    await this.#refresh();
    this.phase = 'open';
    this.#work?.unlocked();
  }

  /** What is shown while locked. */
  async #lockedHere(): Promise<void> {
    const { secrets } = this.#core.keys ?? {};
    this.#core.keys = undefined;
    // Not the history's key: what is being stored at this moment is still sealed by it.
    secrets?.seed.fill(0);
    secrets?.twelve?.fill(0);
    this.closeChat();
    this.identity.lock();
    this.conversations = [];
    this.#rows.clear();
    this.#found.clear();
    this.phase = 'locked';
    await this.#refresh();
  }

  /** Reads all conversations anew. */
  #refresh(): Promise<void> {
    const { db } = this.#core;
    const next = this.#refreshing.then(async () => {
      const rows = await db.getAll('conversations');
      this.#rows.clear();
      for (const row of rows) this.#rows.set(row.id, row);
      this.#show();
      await this.#count();
    });
    this.#refreshing = next.catch(() => {});
    return next;
  }

  #show(): void {
    const keys = this.#core.keys;
    const rows = [...this.#rows.values()].sort((a, b) => b.lastAt - a.lastAt);
    const shown = new Map(this.conversations.map((view) => [view.id, view]));
    this.conversations = keys ? rows.map((row) => this.#view(keys, row, shown.get(row.id))) : [];
    for (const row of rows) this.#stale.delete(row.id);
  }

  /** Boxes are opened only where something changed. */
  #view(keys: Keys, row: ConversationRow, shown: Conversation | undefined): Conversation {
    return shown && !this.#stale.has(row.id) ? shown : viewOf(keys.history, row);
  }

  async #count(): Promise<void> {
    const { db } = this.#core;
    const [arrived, waiting] = await Promise.all([db.count('arrived'), db.count('outbox')]);
    // While unlocked it is opened at once, and counted with its conversation.
    let unread = this.#core.keys ? 0 : arrived;
    for (const row of this.#rows.values()) unread += row.blocked ? 0 : row.unread;
    this.unread = unread;
    this.outboxSize = waiting;
  }

  #changed(changes: readonly Change[]): void {
    const ids = [...new Set(changes.map(({ conversation }) => conversation))];
    const { db } = this.#core;
    const next = this.#refreshing.then(async () => {
      for (const id of ids) {
        const row = await db.get('conversations', id);
        this.#stale.add(id);
        if (row) this.#rows.set(id, row);
        else this.#rows.delete(id);
      }
      this.#show();
      await this.#count();
    });
    this.#refreshing = next.catch(() => {});
  }

  #hear(notice: Notice): void {
    switch (notice.type) {
      case 'changed':
        this.#changed(notice.changes);
        break;
      case 'arrived':
      case 'outbox':
        void this.#count();
        break;
      case 'status':
        this.#showStatus(notice.status);
        break;
      case 'settings':
        void this.#reloadSettings();
        break;
      case 'hello':
        this.#answerHello();
        break;
      case 'unlocked':
        void this.#takeKeys(notice.secrets);
        break;
      case 'locked':
        if (this.account) void this.#lockedHere();
        break;
      case 'touched':
        this.#touched = Date.now();
        break;
      case 'account':
        globalThis.location.reload();
        break;
      case 'ping':
        if (this.#work) this.#core.bus.tellOthers({ type: 'awake' });
        break;
      case 'awake':
        this.#answered = true;
        break;
    }
  }

  #answerHello(): void {
    const { bus, keys } = this.#core;
    if (keys) bus.tellOthers({ type: 'unlocked', secrets: keys.secrets });
    if (this.#work) bus.tellOthers({ type: 'status', status: this.#work.status });
  }

  /** Another window was unlocked. */
  async #takeKeys(secrets: Secrets): Promise<void> {
    const keys = await keysOf(secrets);
    if (this.account && !this.#core.keys) await this.#open(keys);
  }

  async #reloadSettings(): Promise<void> {
    this.#core.settings = { ...DEFAULTS, ...(await fact(this.#core.db, 'settings')) };
    this.#showSettings();
  }

  #showStatus({ live, transport, problem }: Status): void {
    this.live = live;
    this.transport = transport;
    this.problem = problem;
  }

  async #news(ids: readonly Primary[]): Promise<void> {
    await this.#refreshing;
    if (!this.#core.keys) this.onNews?.({});
    for (const id of ids) {
      const conversation = this.conversations.find((view) => view.id === id);
      if (conversation) this.onNews?.({ conversation });
    }
  }

  /** Gets the mail and sends, once it is this window's turn. */
  async #lead(): Promise<void> {
    if (this.#leading) return;
    this.#leading = true;
    const { MailWork } = await engine();
    const working = lead(this.#stop.signal, async (over) => {
      this.#work = new MailWork(this.#core, (ids) => void this.#news(ids));
      try {
        await this.#work.run(over);
      } finally {
        this.#work = undefined;
      }
    });
    await working.catch((error) => {
      this.problem = codeOf(error);
    });
  }

  #watchPage(): void {
    let last = Date.now();
    setInterval(() => {
      // The device slept: what was connected isn't any more, and doesn't know.
      if (Date.now() - last > SLEPT) this.#work?.wake();
      last = Date.now();
      this.#lockIfIdle();
    }, IDLE_LOOK);
    const seen = () => {
      if (document.visibilityState === 'hidden') return;
      this.#lockIfIdle();
      void this.#wakeMail();
    };
    document.addEventListener('visibilitychange', seen);
    globalThis.addEventListener('online', () => this.#core.bus.tell({ type: 'wake' }));
    globalThis.addEventListener('offline', () => this.#core.bus.tell({ type: 'wake' }));
    globalThis.addEventListener('pagehide', () => this.current?.saveNow());
  }

  #lockIfIdle(): void {
    const { lockAfter } = this.#core.settings;
    if (!this.#core.keys || lockAfter === 0) return;
    if (Date.now() - this.#touched > lockAfter * 60_000) this.lock();
  }

  /** Whoever gets the mail answers, or is replaced. */
  async #wakeMail(): Promise<void> {
    if (this.#work || !this.account) {
      if (this.live !== 'live') this.#work?.wake();
      return;
    }
    this.#answered = false;
    this.#core.bus.tellOthers({ type: 'ping' });
    await pause(ANSWER);
    if (!this.#answered && !this.#work && document.visibilityState === 'visible') await seize();
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

interface Credentials {
  readonly phrase: string;
  readonly passphrase: string;
}

async function secretsOf(phrase: string): Promise<Secrets> {
  const mnemonic = await import('../lib/keys/mnemonic.ts');
  const entropy = mnemonic.entropy(phrase);
  return {
    seed: mnemonic.seed(phrase),
    historyKey: crypto.getRandomValues(new Uint8Array(32)),
    twelve: entropy.length === 16 ? entropy : undefined,
    earlier: [],
  };
}
