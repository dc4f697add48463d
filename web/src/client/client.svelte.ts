// The client: who is here, whether they are unlocked, and their conversations. One in each window; one of the windows gets the mail for all.

import { KezError } from '../lib/error.ts';
import type { Primary, ServerInfo } from '../lib/wire.ts';
import {
  askServer,
  available,
  type Credentials,
  findAccount,
  keepAccount,
  makeAccount,
  newPhrase,
  openKept,
  phraseOf,
  type Settled,
  succeed,
} from './accounts.ts';
import { Bus, type Notice } from './bus.ts';
import { Chat } from './chat.svelte.ts';
import { changeRow, deleteConversation, newRow, storeRow } from './conversations.ts';
import { Core, DEFAULTS, engine } from './core.ts';
import {
  type Account,
  clear,
  type Database,
  fact,
  keepFact,
  openDatabase,
  type Settings,
} from './database.ts';
import { codeOf } from './errors.ts';
import { IdentityLog } from './identity.svelte.ts';
import { anotherLeads } from './leader.ts';
import { Lock } from './lock.ts';
import { MailTurn } from './mail-turn.ts';
import { Presence } from './presence.ts';
import { Roster } from './roster.svelte.ts';
import { search } from './search.ts';
import type { Conversation, Hit, Live, Peer, Phase, Transport, TransportChoice } from './types.ts';
import { Update } from './update.ts';
import type { Secrets } from './vault.ts';

/** In which a window that is unlocked tells a new one so, in milliseconds. */
const ANSWER_HELLO = 200;

export class Client {
  phase: Phase = $state('loading');
  /** Why the page can do nothing (`no_storage`, `storage_closed`), or no mail comes for good: a stable code. */
  problem: string | undefined = $state();
  server: ServerInfo | undefined = $state.raw();
  /** There when it is locked, too. */
  account: Account | undefined = $state.raw();
  live: Live = $state('connecting');
  /** What streams now. */
  transport: Transport | undefined = $state();
  transportChoice: TransportChoice = $state(DEFAULTS.transport);
  /** Minutes; 0 for never. */
  lockAfter: number = $state(DEFAULTS.lockAfter);
  /** The conversation that is open. */
  current: Chat | undefined = $state.raw();
  /** A newer version of the application is here: `update` takes it. */
  updateReady = $state(false);
  /** Called in one window alone, for each message that came; while locked without a conversation. For notifications. */
  onNews: ((news: { conversation?: Conversation }) => void) | undefined;
  readonly identity: IdentityLog;

  readonly #core: Core;
  readonly #roster: Roster;
  readonly #presence: Presence;
  readonly #lock: Lock;
  readonly #turn: MailTurn;
  readonly #stop = new AbortController();
  /** Handles of people who were looked up. */
  readonly #found = new Map<Primary, string>();
  readonly #update = new Update(() => {
    this.updateReady = true;
  });

  private constructor(db: Database | undefined, bus: Bus) {
    // Without a database nothing is ever asked of it: the phase stays `loading`.
    this.#core = new Core(db as Database, bus);
    this.#roster = new Roster(this.#core);
    this.identity = new IdentityLog(this.#core);
    this.#turn = new MailTurn(this.#core, this.#stop.signal, (ids) => void this.#news(ids));
    this.#lock = new Lock(this.#core, {
      opening: () => this.#opening(),
      opened: () => this.#opened(),
      closed: () => this.#closed(),
    });
    this.#presence = new Presence(this.#core, {
      idle: () => this.lock(),
      slept: () => this.#turn.work?.wake(),
      seen: () => this.#seen(),
      network: () => bus.tell({ type: 'wake' }),
      leaving: () => this.current?.saveNow(),
    });
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
    try {
      const closed = () => {
        if (client) client.#fail('storage_closed');
      };
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

  async #begin(): Promise<void> {
    const core = this.#core;
    void this.#update.watch();
    await this.#loadSettings();
    core.server = await fact(core.db, 'server');
    this.server = core.server;
    this.#showAccount(await fact(core.db, 'account'));
    core.bus.listen((notice) => this.#hear(notice));
    this.#presence.watch();
    const known = this.#learnServer();
    if (!core.server) await known;
    core.bus.tellOthers({ type: 'hello' });
    if (!core.account) {
      this.phase = 'welcome';
      return;
    }
    // Another window may hand over the keys: nobody is asked for a passphrase then.
    if (await anotherLeads()) await pause(ANSWER_HELLO);
    if (!core.keys) {
      this.phase = 'locked';
      await this.#roster.refresh();
    }
    this.#getMail();
  }

  /** Who the server is; what it said last time counts while it is away. */
  async #learnServer(): Promise<void> {
    try {
      this.server = await askServer(this.#core);
    } catch (error) {
      if (!(error instanceof KezError)) throw error;
    }
  }

  /** Newest first; none while locked. */
  get conversations(): readonly Conversation[] {
    return this.#roster.conversations;
  }

  /** Over all conversations but blocked ones, and what came while locked. */
  get unread(): number {
    return this.#roster.unread;
  }

  /** Messages that wait in the outbox. */
  get outboxSize(): number {
    return this.#roster.outboxSize;
  }

  /** Loads the newer version of the application, in every window. */
  update(): void {
    this.#update.take();
  }

  /** A fresh recovery phrase. */
  newPhrase(words: 12 | 24): Promise<string> {
    return newPhrase(words);
  }

  /** The eight words of a key's fingerprint, to be compared by people: 88 bits of its hash. */
  async fingerprint(primary: Primary): Promise<readonly string[]> {
    return (await import('./fingerprint.ts')).fingerprint(primary);
  }

  /** Whether somebody may have this handle, as far as is known: only registering it says so for certain. Throws a `KezError`. */
  available(handle: string): Promise<'free' | 'taken' | 'reserved' | 'invalid'> {
    return available(handle);
  }

  /** Registers a handle with the key of a phrase, and keeps both on this device. Throws `BadPhrase`, a `KezError`. */
  async create({ handle, ...credentials }: Credentials & { readonly handle: string }): Promise<void> {
    await this.#settle(makeAccount(this.#core, handle, credentials));
  }

  /**
   * Comes back with a phrase; `earlier` are those of keys that the person had before, for old mail. Throws `BadPhrase`; a `KezError`: `unknown_primary` where the
   * key has no handle here.
   */
  async restore({
    earlier = [],
    ...credentials
  }: Credentials & { readonly earlier?: readonly string[] }): Promise<void> {
    await this.#settle(findAccount(this.#core, credentials, earlier));
  }

  /**
   * Goes on under the person's new key, which took this one's place on another device. What is here stays, and old mail can be read. Throws `WrongPassphrase`,
   * `BadPhrase`, a `KezError`, and `not_successor` where the identity log doesn't prove the change.
   */
  async takeNewKey(credentials: Credentials): Promise<void> {
    await this.#settle(succeed(this.#core, credentials));
  }

  async #settle(settling: Promise<Settled>): Promise<void> {
    await this.#lock.unlock(this.#keep(settling));
    this.#getMail();
  }

  async #keep(settling: Promise<Settled>): Promise<Secrets> {
    const settled = await settling;
    await keepAccount(this.#core, settled);
    this.#showAccount(settled.account);
    this.#core.bus.tellOthers({ type: 'account' });
    return settled.secrets;
  }

  /** Throws `WrongPassphrase`. A lock that comes meanwhile counts. */
  unlock(passphrase: string): Promise<void> {
    return this.#lock.unlock(openKept(this.#core, passphrase));
  }

  /** The recovery phrase. Throws `WrongPassphrase`. */
  async revealPhrase(passphrase: string): Promise<string> {
    return phraseOf(await openKept(this.#core, passphrase));
  }

  /** Locks the keys away, in every window. Mail goes on coming, sealed. */
  lock(): void {
    this.#core.bus.tell({ type: 'locked' });
  }

  /** The person uses this window. */
  touched(): void {
    this.#presence.usedHere();
  }

  async setLockAfter(minutes: number): Promise<void> {
    await this.#changeSettings({ lockAfter: minutes });
  }

  async chooseTransport(choice: TransportChoice): Promise<void> {
    await this.#changeSettings({ transport: choice });
    this.#core.bus.tell({ type: 'wake' });
  }

  /** Deletes everything that is on this device. The account stays, for whoever has its phrase. */
  async forget(): Promise<void> {
    this.#stop.abort();
    await clear(this.#core.db);
    this.#core.bus.tellOthers({ type: 'account' });
    globalThis.location.reload();
  }

  /**
   * Who is meant by a handle, `handle@server` or a key. Where a handle's key changed, and nothing proves it, this is who was known, and their conversation says so.
   * Throws a `KezError`, `ForeignServer`, `not_a_peer`.
   */
  async findPeer(text: string): Promise<Peer> {
    const { findPeer } = await engine();
    const { primary, handle } = await findPeer(this.#core, text);
    this.#found.set(primary, handle);
    const verified = (await this.#core.conversation(primary))?.verified ?? false;
    return { primary, handle, server: this.#core.domain, verified };
  }

  /** Opens a conversation, which is `current` then. Its messages come in a moment. */
  open(primary: Primary): Chat {
    this.closeChat();
    const known = this.#roster.find(primary);
    const row = known ?? newRow(this.#core.needKeys().history, primary, this.#core.domain);
    const handle = this.#found.get(primary);
    if (!known && handle !== undefined) row.handle = handle;
    const chat = new Chat(this.#core, row);
    this.current = chat;
    void this.#load(chat, known && !known.hidden ? undefined : row);
    return chat;
  }

  async #load(chat: Chat, missing: Parameters<typeof storeRow>[1] | undefined): Promise<void> {
    if (missing) {
      await storeRow(this.#core.db, missing);
      this.#core.changed({ conversation: missing.id });
    }
    await chat.load();
    const { checkKey } = await engine();
    await checkKey(this.#core, chat.peer.primary);
  }

  /** Closes the conversation that is open. */
  closeChat(): void {
    this.current?.close();
    this.current = undefined;
  }

  /** Deletes a conversation from this device. */
  async deleteConversation(primary: Primary): Promise<void> {
    const id = await deleteConversation(this.#core.db, this.#core.needKeys().history, primary);
    if (id === undefined) return;
    if (this.current?.peer.id === id) this.closeChat();
    this.#core.changed({ conversation: id });
  }

  /** What a blocked sender writes is stored, and neither counted nor told. */
  async setBlocked(primary: Primary, blocked: boolean): Promise<void> {
    const row = await this.#core.conversation(primary);
    if (!row) return;
    await changeRow(this.#core.db, row.id, (row) => {
      row.blocked = blocked;
      if (blocked) row.unread = 0;
      else delete row.hidden;
    });
    this.#core.changed({ conversation: row.id });
  }

  /** Messages that have this text, newest first, until `stop`. */
  search(text: string, stop: AbortSignal): AsyncIterable<Hit> {
    return search(this.#core, text, stop);
  }

  async #opening(): Promise<void> {
    this.#presence.used();
    await this.#roster.refresh();
  }

  #opened(): void {
    this.phase = 'open';
    this.#turn.work?.unlocked();
  }

  async #closed(): Promise<void> {
    this.closeChat();
    this.identity.lock();
    this.#found.clear();
    this.phase = 'locked';
    await this.#roster.lock();
  }

  #hear(notice: Notice): void {
    this.#turn.hear(notice);
    switch (notice.type) {
      case 'changed':
        this.#roster.changed(notice.changes);
        break;
      case 'arrived':
      case 'outbox':
        void this.#roster.count();
        break;
      case 'status':
        this.live = notice.status.live;
        this.transport = notice.status.transport;
        this.problem = notice.status.problem;
        break;
      case 'settings':
        void this.#loadSettings();
        break;
      case 'hello':
        this.#answerHello();
        break;
      case 'unlocked':
        void this.#lock.take(notice.secrets);
        break;
      case 'locked':
        if (this.account) void this.#lock.close();
        break;
      case 'touched':
        this.#presence.used();
        break;
      case 'account':
        globalThis.location.reload();
        break;
    }
  }

  #answerHello(): void {
    const { bus, keys } = this.#core;
    if (keys) bus.tellOthers({ type: 'unlocked', secrets: keys.secrets });
    const { work } = this.#turn;
    if (work) bus.tellOthers({ type: 'status', status: work.status });
  }

  async #changeSettings(change: Partial<Settings>): Promise<void> {
    await keepFact(this.#core.db, 'settings', { ...this.#core.settings, ...change });
    await this.#loadSettings();
    this.#core.bus.tellOthers({ type: 'settings' });
  }

  async #loadSettings(): Promise<void> {
    const settings = { ...DEFAULTS, ...(await fact(this.#core.db, 'settings')) };
    this.#core.settings = settings;
    this.transportChoice = settings.transport;
    this.lockAfter = settings.lockAfter;
  }

  #showAccount(account: Account | undefined): void {
    this.#core.account = account;
    this.account = account;
    this.server = this.#core.server;
  }

  async #news(ids: readonly Primary[]): Promise<void> {
    await this.#roster.settled();
    if (!this.#core.keys) this.onNews?.({});
    for (const id of ids) {
      const conversation = this.conversations.find((view) => view.id === id);
      if (conversation) this.onNews?.({ conversation });
    }
  }

  /** Gets the mail and sends, once it is this window's turn. */
  #getMail(): void {
    void this.#turn.wait((problem) => {
      this.problem = problem;
    });
  }

  /** The window is looked at again. */
  #seen(): void {
    const { work } = this.#turn;
    if (!this.account) return;
    if (!work) void this.#turn.demand();
    else if (this.live !== 'live') work.wake();
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
