// The vectors that every client must treat alike.

import { expect, test } from 'vitest';
import golden from '../../../../proto-schemas/vectors/golden.json';
import invalid from '../../../../proto-schemas/vectors/invalid.json';
import { fromHex, utf8 } from '../bytes.ts';
import { canonical } from '../canonical.ts';
import { Identity } from '../identity.ts';
import { parseStrict } from '../json.ts';
import { Refusal } from '../refusal.ts';
import { isObject, verify } from '../verify.ts';
import { Broken, Chain } from './chain.ts';
import { signClaim, verifyClaim } from './claim.ts';
import { link } from './event.ts';

test('golden claims verify', () => {
  expect(golden.claims.length).toBeGreaterThan(2);
  for (const { name, document, subject, primary, alg, signed_bytes } of golden.claims) {
    const claim = verifyClaim(utf8(document));
    expect(claim, name).toMatchObject({ subject, primary });
    const parsed = parseStrict(utf8(document));
    if (!isObject(parsed)) return expect.unreachable(name);
    expect(canonical(parsed.payload)).toBe(signed_bytes);
    // Spaced otherwise, it is the same claim.
    expect(verifyClaim(utf8(`${JSON.stringify(parsed, undefined, 2)}\n`))).toEqual(claim);
    // A handle takes Ed25519 alone, from the same walk.
    const asHandle = () => verify(utf8(document), 'claim', 'kez.claim');
    if (alg === 'ed25519-sha512-jcs') asHandle();
    else expect(asHandle).toThrow(new Refusal('unsupported_alg'));
    if (alg !== 'ed25519-sha512-jcs') continue;
    // Ed25519 has one signature for a message: signed here, it is the same to the byte.
    const signer = Identity.fromSeed(fromHex(golden.identities[0]?.seed ?? ''));
    const ours = signClaim(claim.subject, claim.created_at, signer, claim.expires_at);
    expect(canonical(ours), name).toBe(document);
  }
});

test('the golden chain verifies and comes to its state', () => {
  const { id, primary, keys, subjects, devices, links } = golden.chain;
  const events = golden.chain.events.map(utf8);
  const chain = Chain.verify(events);
  const state = { id, primary, keys, subjects, devices, next_seq: events.length, head: links.at(-1) };
  expect(chain.toJSON()).toEqual(state);
  expect(events.map(link)).toEqual(links);
  expect([keys.length, chain.subjects.size, chain.devices.size]).toEqual([3, 2, 1]);
  const kept = JSON.stringify(chain);
  expect(JSON.stringify(Chain.fromJSON(JSON.parse(kept)))).toBe(kept);
});

test('a chain goes on from where it was kept', () => {
  const events = golden.chain.events.map(utf8);
  const kept = JSON.parse(JSON.stringify(Chain.verify(events.slice(0, 6))));
  const chain = Chain.fromJSON(kept);
  for (const event of events.slice(6)) chain.append(event);
  expect(chain.toJSON()).toEqual(Chain.verify(events).toJSON());
});

test('invalid claims are refused by name', () => {
  expect(invalid.claims.length).toBeGreaterThan(20);
  for (const { document, code, rule } of invalid.claims) {
    expect(refusal(() => verifyClaim(utf8(document))).code, rule).toBe(code);
  }
});

test('invalid events are refused by name, and change nothing', () => {
  expect(invalid.events.length).toBeGreaterThan(20);
  for (const { document, code, rule, chain } of invalid.events) {
    const before = chain.map(utf8);
    const event = utf8(document);
    if (before.length === 0) {
      expect(refusal(() => Chain.begin(event)).code, rule).toBe(code);
    } else {
      const state = Chain.verify(before);
      const kept = JSON.stringify(state);
      expect(refusal(() => state.append(event)).code, rule).toBe(code);
      expect(JSON.stringify(state), rule).toBe(kept);
    }
    const whole = refusal(() => Chain.verify([...before, event]));
    expect(whole, rule).toBeInstanceOf(Broken);
    expect(whole, rule).toMatchObject({ at: before.length, code });
  }
  expect(refusal(() => Chain.verify([]))).toMatchObject({ at: 0, code: 'unknown_chain' });
});

function refusal(attempt: () => unknown): Refusal {
  try {
    attempt();
  } catch (error) {
    expect(error).toBeInstanceOf(Refusal);
    return error as Refusal;
  }
  throw new Error('it was taken');
}
