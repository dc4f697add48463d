// The person's own identity log: which accounts and devices they say are theirs.

import { utf8 } from '../lib/bytes.ts';
import type { Chain, ChainEvent } from '../lib/chain/index.ts';
import { KezError } from '../lib/error.ts';
import { append, sigchain } from '../lib/http.ts';
import { timestamp } from '../lib/timestamp.ts';
import type { Primary, Subject } from '../lib/wire.ts';
import { API, type Core } from './core.ts';

export interface LogEvent {
  readonly seq: number;
  /** When it was signed, in milliseconds. */
  readonly at: number;
  readonly op: ChainEvent['op']['op'];
  readonly subject?: Subject;
  readonly device?: string;
  readonly name?: string;
  readonly newPrimary?: string;
}

export interface LogSubject {
  readonly subject: Subject;
  readonly proofUrl?: string;
  readonly seq: number;
  readonly at: number;
}

export interface LogDevice {
  readonly device: string;
  readonly name: string;
  readonly seq: number;
  readonly at: number;
}

/** What can be signed here. */
type Wanted =
  | { op: 'add'; subject: string; proof_url?: string }
  | { op: 'revoke'; subject: string }
  | { op: 'add_device'; device: string; name: string }
  | { op: 'revoke'; device: string };

export class IdentityLog {
  events: readonly LogEvent[] = $state.raw([]);
  subjects: readonly LogSubject[] = $state.raw([]);
  devices: readonly LogDevice[] = $state.raw([]);

  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  /** Gets the log from the server, and verifies all of it. Throws a `KezError`, a `Refusal`. */
  async load(): Promise<void> {
    await this.#read();
  }

  /** Forgets what is shown. */
  lock(): void {
    this.events = [];
    this.subjects = [];
    this.devices = [];
  }

  /** Adds an account; `proofUrl` is where the account says so, too. Throws a `Refusal` (`invalid_subject`), a `KezError`. */
  add(subject: string, proofUrl?: string): Promise<void> {
    return this.#append({ op: 'add', subject, ...(proofUrl ? { proof_url: proofUrl } : {}) });
  }

  /** Takes an account back. */
  revoke(subject: string): Promise<void> {
    return this.#append({ op: 'revoke', subject });
  }

  /** Adds a device, or gives it another name. */
  addDevice(device: string, name: string): Promise<void> {
    return this.#append({ op: 'add_device', device, name });
  }

  /** Takes a device back. */
  revokeDevice(device: string): Promise<void> {
    return this.#append({ op: 'revoke', device });
  }

  /** A signed claim of an account, to be published there: JSON. Throws a `Refusal`: `invalid_subject`. */
  async claim(subject: string): Promise<string> {
    const { signClaim } = await import('../lib/chain/claim.ts');
    const { identity } = this.#core.needKeys();
    return JSON.stringify(signClaim(subject, timestamp(new Date()), identity), undefined, 2);
  }

  async #append(op: Wanted): Promise<void> {
    const { signEvent } = await import('../lib/chain/sign.ts');
    // Another device may have appended between.
    for (let left = 2; left >= 0; left--) {
      const chain = await this.#read();
      const { identity } = this.#core.needKeys();
      const event = signEvent(chain, op, timestamp(new Date()), identity);
      try {
        await append(API, identity.primary, event);
        break;
      } catch (error) {
        const late = error instanceof KezError && ['chain_conflict', 'wrong_prev'].includes(error.code);
        if (!late || left === 0) throw error;
      }
    }
    await this.#read();
  }

  async #read(): Promise<Chain | undefined> {
    const { primary } = this.#core.needKeys().identity;
    const bytes = await eventsOf(primary);
    const { Chain, verifyEvent } = await import('../lib/chain/index.ts');
    const chain = bytes.length > 0 ? Chain.verify(bytes) : undefined;
    // Somebody else's log is never signed on.
    if (chain && !chain.wasUnder(primary)) throw KezError.local('malformed', "the log isn't this key's");
    this.events = bytes.map((bytes) => eventOf(verifyEvent(bytes)));
    this.subjects = [...(chain?.subjects ?? [])].map(([subject, { seq, added_at, proof_url }]) => ({
      subject,
      seq,
      at: Date.parse(added_at),
      ...(proof_url === undefined ? {} : { proofUrl: proof_url }),
    }));
    this.devices = [...(chain?.devices ?? [])].map(([device, { seq, added_at, name }]) => ({
      device,
      name,
      seq,
      at: Date.parse(added_at),
    }));
    return chain;
  }
}

/** None where there is no log yet. */
async function eventsOf(primary: Primary): Promise<Uint8Array[]> {
  try {
    const { events } = await sigchain(API, primary);
    return events.map((event) => utf8(JSON.stringify(event)));
  } catch (error) {
    if (error instanceof KezError && error.code === 'unknown_chain') return [];
    throw error;
  }
}

function eventOf({ seq, created_at, op }: ChainEvent): LogEvent {
  const base = { seq, at: Date.parse(created_at), op: op.op };
  switch (op.op) {
    case 'add':
      return { ...base, subject: op.subject };
    case 'revoke':
      return 'subject' in op ? { ...base, subject: op.subject } : { ...base, device: op.device };
    case 'add_device':
      return { ...base, device: op.device, name: op.name };
    case 'rotate':
      return { ...base, newPrimary: op.new_primary };
    default:
      return base;
  }
}
