// Chains of any valid operations verify, and nothing in one can be changed unnoticed.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { utf8 } from '../bytes.ts';
import { canonical } from '../canonical.ts';
import { signed } from '../envelope.ts';
import { Identity } from '../identity.ts';
import { NostrIdentity } from '../keys/nostr.ts';
import type { Signer } from '../keys/suite.ts';
import { DEVICE_BYTES } from '../limits.ts';
import { timestamp } from '../timestamp.ts';
import { Broken, Chain } from './chain.ts';
import { isOver, signClaim, verifyClaim } from './claim.ts';
import { type Event, verifyEvent } from './event.ts';
import type { Op } from './op.ts';
import { signEvent, signRotation } from './sign.ts';

/** The nth of a person's keys, of one kind after the other. */
function nth(n: number): Signer {
  const bytes = new Uint8Array(32).fill(n + 1);
  return n % 2 === 0 ? Identity.fromSeed(bytes) : NostrIdentity.fromSecret(bytes);
}

const at = (second: number) => timestamp(new Date((1_779_678_000 + second) * 1000));
const refused = (code: string) => expect.objectContaining({ code });

/** What a person wishes to do; which of what there is, by number. */
type Wish =
  | { readonly add: number }
  | { readonly device: number; readonly name: string }
  | { readonly revoke: 'subject' | 'device'; readonly which: number }
  | 'rotate';

const NAME = fc
  .string({ minLength: 1, maxLength: 20, unit: 'grapheme' })
  .filter((name) => !/\p{Cc}/u.test(name) && utf8(name).length <= DEVICE_BYTES);
const WISH: fc.Arbitrary<Wish> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ add: fc.nat(255) }) },
  { weight: 3, arbitrary: fc.record({ device: fc.nat(255), name: NAME }) },
  { weight: 3, arbitrary: fc.record({ revoke: fc.constantFrom('subject', 'device'), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.constant('rotate' as const) },
);

/** The stored bytes of a chain of these wishes, and what it should come to, kept by other means. */
function build(wishes: readonly Wish[]) {
  const [events, subjects, devices] = [[] as Uint8Array[], new Set<string>(), new Map<string, string>()];
  let [rotations, chain] = [0, undefined as Chain | undefined];
  const operation = (wish: Exclude<Wish, 'rotate'>): Op | undefined => {
    if ('add' in wish) {
      const subject = `github:user-${wish.add % 8}`;
      subjects.add(subject);
      return wish.add % 3 === 0
        ? { op: 'add', subject, proof_url: 'https://example.org/"' }
        : { op: 'add', subject };
    }
    if ('device' in wish) {
      const device = ['__proto__', '7', 'x'][wish.device % 3] as string;
      devices.set(device, wish.name);
      return { op: 'add_device', device, name: wish.name };
    }
    const all = [...(wish.revoke === 'subject' ? subjects : devices.keys())];
    const one = all[wish.which % all.length];
    if (one === undefined) return undefined;
    if (wish.revoke === 'device') return devices.delete(one) ? { op: 'revoke', device: one } : undefined;
    return subjects.delete(one) ? { op: 'revoke', subject: one } : undefined;
  };
  for (const wish of wishes) {
    const [time, signer] = [at(events.length), nth(rotations)];
    let envelope: unknown;
    if (wish === 'rotate') {
      rotations++;
      envelope = signRotation(chain, time, signer, nth(rotations));
    } else {
      const op = operation(wish);
      if (!op) continue;
      envelope = signEvent(chain, op, time, signer);
    }
    const bytes = utf8(canonical(envelope));
    if (chain) chain.append(bytes);
    else chain = Chain.begin(bytes);
    events.push(bytes);
  }
  return { events, subjects, devices, rotations };
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const place = bit % (bytes.length * 8);
  return bytes.with(place >> 3, (bytes[place >> 3] as number) ^ (1 << (place & 7)));
}

/** Whether these are a chain, and if not, where it breaks. */
function broken(events: readonly Uint8Array[]): number | undefined {
  try {
    Chain.verify(events);
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(Broken);
    return (error as Broken).at;
  }
}

test('valid operations verify, and a changed bit is noticed', () => {
  const bits = fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 4, maxLength: 4 });
  const property = fc.property(fc.array(WISH, { minLength: 1, maxLength: 10 }), bits, (wishes, flips) => {
    const { events, subjects, devices, rotations } = build(wishes);
    fc.pre(events.length > 0);
    const chain = Chain.verify(events);
    expect(chain.nextSeq).toBe(events.length);
    expect([chain.id, chain.primary]).toEqual([nth(0).primary, nth(rotations).primary]);
    expect(new Set(chain.subjects.keys())).toEqual(subjects);
    expect(new Map([...chain.devices].map(([id, { name }]) => [id, name]))).toEqual(devices);
    expect(Chain.fromJSON(JSON.parse(JSON.stringify(chain))).toJSON()).toEqual(chain.toJSON());

    for (const [event, bit] of flips) {
      const place = event % events.length;
      const changed = events.with(place, flipped(events[place] as Uint8Array, bit));
      expect(broken(changed), `event ${place}, bit ${bit}`).toBe(place);
    }
    // Whatever is left out of the middle or put elsewhere is missed.
    if (events.length > 1) {
      const place = flips.length % (events.length - 1);
      expect(broken(events.toSpliced(place, 1))).toBe(place);
      const [one, other] = events.slice(place, place + 2) as [Uint8Array, Uint8Array];
      expect(broken(events.toSpliced(place, 2, other, one))).toBe(place);
    }
  });
  fc.assert(property, { numRuns: 12 });
}, 120_000);

test('each byte of an event matters', () => {
  const wishes: Wish[] = [{ add: 0 }, { device: 2, name: 'a "phone" \\ ä' }, 'rotate', { add: 1 }];
  const { events } = build(wishes);
  expect(events).toHaveLength(4);
  for (const [place, event] of events.entries()) {
    const before = place > 0 ? Chain.verify(events.slice(0, place)) : undefined;
    for (let byte = 0; byte < event.length; byte++) {
      // Another bit of each byte; all bits of all bytes are the services' own test.
      const changed = flipped(event, byte * 8 + ((byte + place) % 8));
      const attempt = () => (before ? before.append(changed) : Chain.begin(changed));
      expect(attempt, `event ${place}, byte ${byte}`).toThrow();
    }
  }
}, 120_000);

test('nothing is signed that would be refused', () => {
  const { events } = build([{ add: 1 }, 'rotate']);
  const chain = Chain.verify(events);
  const sign = (op: Op, n = 1) => signEvent(chain, op, at(9), nth(n));
  const bob = { op: 'add', subject: 'github:Bob' } as const;
  expect(sign(bob).payload.payload).toEqual({ subject: 'github:bob' });
  for (const [attempt, code] of [
    [() => sign(bob, 0), 'key_not_in_force'],
    [() => sign({ op: 'add', subject: 'bob' }), 'invalid_subject'],
    [() => sign({ ...bob, proof_url: 'x'.repeat(2049) }), 'invalid_event'],
    [() => sign({ ...bob, proof_url: 'two words' }), 'invalid_event'],
    [() => sign({ ...bob, proof_url: undefined } as unknown as Op), 'invalid_event'],
    [() => sign({ op: 'add_device', device: '', name: 'phone' }), 'invalid_event'],
    [() => sign({ op: 'add_device', device: 'x', name: '' }), 'invalid_event'],
    [() => sign({ op: 'add_device', device: 'x', name: 'a\u0007b' }), 'invalid_event'],
    [() => sign({ op: 'add_device', device: 'x', name: 'ä'.repeat(65) }), 'invalid_event'],
    [() => sign({ op: 'revoke', device: 'x' }), 'nothing_to_revoke'],
    [() => sign({ op: 'unknown', called: 'endorse' }), 'invalid_event'],
    [() => sign({ op: 'endorse' } as unknown as Op), 'invalid_event'],
    [() => sign({ op: 'rotate', new_primary: nth(2).primary, proof: '' }), 'invalid_proof'],
    [() => signEvent(undefined, { op: 'revoke', device: 'x' }, at(0), nth(0)), 'nothing_to_revoke'],
    [() => signEvent(chain, bob, '2026-05-25', nth(1)), 'invalid_timestamp'],
    [() => signRotation(chain, at(9), nth(1), nth(0)), 'key_in_use'],
    [() => signRotation(chain, at(9), nth(1), nth(1)), 'key_in_use'],
    [() => signRotation(chain, at(9), nth(0), nth(2)), 'key_not_in_force'],
  ] as const) {
    expect(attempt, `${attempt}`).toThrow(refused(code));
  }
  expect(signRotation(chain, at(9), nth(1), nth(2)).payload.seq).toBe(2);
});

test('a signer that signs something else is noticed', () => {
  const good = nth(0);
  const signer: Signer = { primary: good.primary, sign: () => good.sign(utf8('undefined')) };
  const bob = { op: 'add', subject: 'github:bob' } as const;
  expect(() => signEvent(undefined, bob, at(0), signer)).toThrow(refused('bad_signature'));
  expect(() => signClaim('github:bob', at(0), signer)).toThrow(refused('bad_signature'));
  expect(() => signClaim('github:bob', at(0), { ...signer, primary: 'github:bob' })).toThrow(
    refused('invalid_primary'),
  );
  const chain = Chain.verify(build([{ add: 1 }]).events);
  const next: Signer = { primary: nth(1).primary, sign: signer.sign };
  expect(() => signRotation(chain, at(1), good, next)).toThrow(refused('invalid_proof'));
});

test('a full chain takes no more', () => {
  const { events } = build([{ add: 1 }, { add: 2 }]);
  const kept = Chain.verify(events.slice(0, 1)).toJSON();
  const last: Event = { ...verifyEvent(events[1] as Uint8Array), seq: 10_000 };
  expect(() => Chain.fromJSON({ ...kept, next_seq: 10_000 }).check(last)).toThrow(refused('chain_full'));
  Chain.fromJSON({ ...kept, next_seq: 9_999 }).check({ ...last, seq: 9_999 });
});

test('a claim ends when it says', () => {
  const forever = verifyClaim(utf8(JSON.stringify(signClaim('github:alice', at(0), nth(1)))));
  expect('expires_at' in forever).toBe(false);
  expect(isOver(forever, '9999-12-31T23:59:59Z')).toBe(false);
  const claim = verifyClaim(utf8(JSON.stringify(signClaim('github:alice', at(0), nth(0), at(100)))));
  expect([isOver(claim, at(99)), isOver(claim, at(100))]).toEqual([false, true]);
  expect(() => signClaim('github:alice', at(100), nth(0), at(100))).toThrow(refused('invalid_timestamp'));
});

test('numbers count as they are, not as they are spelled', () => {
  const first = canonical(
    signEvent(undefined, { op: 'add_device', device: 'phone', name: 'Phone' }, at(0), nth(0)),
  );
  for (const zero of ['-0', '-0.0', '0e7']) {
    const event = verifyEvent(utf8(first.replace('"seq":0', `"seq":${zero}`)));
    expect([Object.is(event.seq, 0), event.link]).toEqual([true, verifyEvent(utf8(first)).link]);
  }
  // Each of these has 4 characters, and 16 in the form that is signed.
  const numbers = Array.from({ length: 1500 }, () => 1e15);
  const members = { seq: 0, created_at: at(0), op: 'later', payload: { numbers } };
  const grown = JSON.stringify(signed('sigchain_event', 'kez.sigchain.event', members, nth(0)));
  const short = grown.replaceAll('1000000000000000', '1e15');
  expect(short.length).toBeLessThan(16 * 1024);
  expect(() => verifyEvent(utf8(short))).toThrow('too_large');
});
