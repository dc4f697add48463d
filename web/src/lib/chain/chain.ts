// What the events of a chain come to. Each is judged once, against the state that those before it left.

import { CHAIN_EVENTS } from '../limits.ts';
import { Refusal, type RefusalCode } from '../refusal.ts';
import { demand } from '../verify.ts';
import type { Key, Subject, Timestamp } from '../wire.ts';
import { type Event, verifyEvent } from './event.ts';

/** A key that a chain is or was under. */
export interface KeyPeriod {
  readonly key: Key;
  /** The first event that it signs. */
  readonly since_seq: number;
}

/** An account that is a person's. */
export interface Listed {
  /** The event that says so. */
  readonly seq: number;
  /** When that was signed. */
  readonly added_at: Timestamp;
  /** Where the account says so, too. */
  readonly proof_url?: string;
}

/** A device that is a person's. */
export interface Device {
  /** The event that says so. */
  readonly seq: number;
  /** When that was signed. */
  readonly added_at: Timestamp;
  /** What the person calls it. */
  readonly name: string;
}

/** A chain's state as data, the same in every language. Reading it back verifies nothing: it is to be kept where nobody else writes. */
export interface Checkpoint {
  readonly id: Key;
  readonly primary: Key;
  readonly keys: readonly KeyPeriod[];
  readonly next_seq: number;
  readonly head: string;
  readonly subjects: { readonly [subject: Subject]: Listed };
  readonly devices: { readonly [device: string]: Device };
}

/** Where a chain is broken. */
export class Broken extends Refusal {
  constructor(
    /** How many events before it are good. */
    readonly at: number,
    /** What is wrong with this one; `unknown_chain` where there is no event at all. */
    code: RefusalCode,
    options?: ErrorOptions,
  ) {
    super(code, options);
  }
}

/** The state of a chain, every event of it verified. */
export class Chain {
  readonly #keys: KeyPeriod[];
  #nextSeq = 0;
  #head = '';
  readonly #subjects = new Map<Subject, Listed>();
  readonly #devices = new Map<string, Device>();

  private constructor(keys: readonly KeyPeriod[]) {
    this.#keys = [...keys];
  }

  /** Begins a chain with its first event. Throws as `verifyEvent` does, then `chain_gap` (`seq` isn't 0), `wrong_prev` (it has one), and of a revocation
   * `nothing_to_revoke`. */
  static begin(bytes: Uint8Array): Chain {
    const event = verifyEvent(bytes);
    const chain = new Chain([{ key: event.primary, since_seq: 0 }]);
    chain.check(event);
    chain.#apply(event);
    return chain;
  }

  /** Verifies a whole chain, from its first event. Throws a `Broken`. */
  static verify(events: Iterable<Uint8Array>): Chain {
    let chain: Chain | undefined;
    for (const bytes of events) {
      try {
        if (chain) chain.append(bytes);
        else chain = Chain.begin(bytes);
      } catch (cause) {
        if (!(cause instanceof Refusal)) throw cause;
        throw new Broken(chain?.nextSeq ?? 0, cause.code, { cause });
      }
    }
    if (!chain) throw new Broken(0, 'unknown_chain');
    return chain;
  }

  /** From what `toJSON` gave. */
  static fromJSON(kept: Checkpoint): Chain {
    const chain = new Chain(kept.keys);
    chain.#nextSeq = kept.next_seq;
    chain.#head = kept.head;
    for (const [subject, listed] of Object.entries(kept.subjects)) chain.#subjects.set(subject, listed);
    for (const [id, device] of Object.entries(kept.devices)) chain.#devices.set(id, device);
    return chain;
  }

  toJSON(): Checkpoint {
    return {
      id: this.id,
      primary: this.primary,
      keys: [...this.#keys],
      next_seq: this.#nextSeq,
      head: this.#head,
      subjects: Object.fromEntries(this.#subjects),
      devices: Object.fromEntries(this.#devices),
    };
  }

  /**
   * Appends an event, or leaves the chain as it was. Throws a `Refusal`, in this order: those of `verifyEvent`; `chain_conflict` (a `seq` that the chain has),
   * `chain_gap` (one beyond its end), `chain_full`, `wrong_prev`, `key_not_in_force`; of a rotation `key_in_use` (a key that this chain was under before), of
   * a revocation `nothing_to_revoke`.
   */
  append(bytes: Uint8Array): Event {
    const event = verifyEvent(bytes);
    this.check(event);
    this.#apply(event);
    return event;
  }

  /** Whether a verified event may come next. Throws what `append` does after `verifyEvent`. */
  check({ seq, prev, primary, op }: Event): void {
    demand(seq >= this.#nextSeq, 'chain_conflict');
    demand(seq <= this.#nextSeq, 'chain_gap');
    demand(seq < CHAIN_EVENTS, 'chain_full');
    demand(prev === (seq > 0 ? this.#head : undefined), 'wrong_prev');
    demand(primary === this.primary, 'key_not_in_force');
    if (op.op === 'rotate') demand(!this.wasUnder(op.new_primary), 'key_in_use');
    if (op.op === 'revoke') {
      const there = 'subject' in op ? this.#subjects.has(op.subject) : this.#devices.has(op.device);
      demand(there, 'nothing_to_revoke');
    }
  }

  #apply({ seq, created_at: added_at, op, link }: Event): void {
    if (op.op === 'add') {
      const { proof_url } = op;
      this.#subjects.set(op.subject, { seq, added_at, ...(proof_url === undefined ? {} : { proof_url }) });
    } else if (op.op === 'add_device') {
      this.#devices.set(op.device, { seq, added_at, name: op.name });
    } else if (op.op === 'rotate') {
      this.#keys.push({ key: op.new_primary, since_seq: seq + 1 });
    } else if (op.op === 'revoke') {
      if ('subject' in op) this.#subjects.delete(op.subject);
      else this.#devices.delete(op.device);
    }
    this.#head = link;
    this.#nextSeq = seq + 1;
  }

  /** What the chain is called: its first key. */
  get id(): Key {
    return (this.#keys[0] as KeyPeriod).key;
  }

  /** The key in force, which signs the next event. */
  get primary(): Key {
    return (this.#keys.at(-1) as KeyPeriod).key;
  }

  /** All keys, in the order in which they came into force; any of them finds the chain. */
  get keys(): readonly KeyPeriod[] {
    return this.#keys;
  }

  /** Whether this key is or was in force. */
  wasUnder(key: Key): boolean {
    return this.#keys.some((period) => period.key === key);
  }

  /** The `seq` of the next event, and how many there are. */
  get nextSeq(): number {
    return this.#nextSeq;
  }

  /** The `prev` of the next event. */
  get head(): string {
    return this.#head;
  }

  /** The accounts that are the person's now. */
  get subjects(): ReadonlyMap<Subject, Listed> {
    return this.#subjects;
  }

  /** The devices that are the person's now, by their identifiers. */
  get devices(): ReadonlyMap<string, Device> {
    return this.#devices;
  }
}
