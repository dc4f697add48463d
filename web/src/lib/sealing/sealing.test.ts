// What no vector can show.

import { expect, test } from 'vitest';
import { base64url, fromBase64url, fromHex, hex, utf8 } from '../bytes.ts';
import { signed } from '../envelope.ts';
import { Identity } from '../identity.ts';
import { KeyChanged } from './key-changed.ts';
import { compose, type Message, plaintext, seal, sealCopy, TooLarge } from './message.ts';
import { Opener } from './opener.ts';
import { JSON_MAX, pad, paddedLength, unpad } from './padding.ts';
import { Pins } from './pins.ts';
import { Seen } from './seen.ts';
import { sealTo } from './suite.ts';

const [alice, bob] = [Identity.generate(), Identity.generate()];
const refused = (code: string) => expect.objectContaining({ code });

/** A message whose signed JSON has so many bytes. */
function ofJsonBytes(bytes: number): Message {
  const empty = compose(alice, bob.primary, '');
  const { id, to, sent_at } = empty;
  const short = JSON.stringify(
    signed('message', 'kez.chat.message', { id, to, sent_at, body: { text: '' } }, alice),
  ).length;
  return { ...empty, body: { text: 'x'.repeat(bytes - short) } };
}

test('round trips at the border of every bucket', async () => {
  const opener = new Opener(bob);
  const seen = new Seen();
  // An empty text has 584 bytes of JSON already.
  const borders = [...Array.from({ length: 8 }, (_, n) => 2 ** (n + 10) - 4), JSON_MAX];
  for (const border of borders) {
    for (const bytes of [border - 1, border, border + 1]) {
      const message = ofJsonBytes(bytes);
      if (bytes > JSON_MAX) {
        await expect(seal(alice, message)).rejects.toEqual(new TooLarge(bytes));
        continue;
      }
      const sealed = await seal(alice, message);
      expect(fromBase64url(sealed.ct)?.length).toBe((paddedLength(bytes) ?? 0) + 16);
      expect(await opener.read(sealed, message.sent_at, seen)).toEqual(message);
    }
  }
});

test('no bit can change', async () => {
  const opener = new Opener(bob);
  const message = compose(alice, bob.primary, 'hi');
  const sealed = await seal(alice, message);
  // A bit of each byte of the key and of the tag, and of some between.
  const ct = fromBase64url(sealed.ct)?.length ?? 0;
  const places: ['enc' | 'ct', number][] = [];
  for (let at = 0; at < 32; at++) places.push(['enc', at]);
  for (let at = 0; at < ct; at += at < ct - 16 ? 32 : 1) places.push(['ct', at]);
  for (const [part, at] of places) {
    const changed = fromBase64url(sealed[part]) as Uint8Array;
    changed[at] = (changed[at] as number) ^ (1 << (at & 7));
    const attempt = opener.open({ ...sealed, [part]: base64url(changed) }, message.sent_at);
    await expect(attempt, `${part} ${at}`).rejects.toEqual(refused('not_opened'));
  }
}, 60_000);

test('each sealing is another, and in one’s own name alone', async () => {
  const message = compose(alice, bob.primary, 'hi');
  expect(await seal(alice, message)).not.toEqual(await seal(alice, message));
  expect(compose(alice, bob.primary, 'hi').id).not.toBe(message.id);
  await expect(seal(bob, message)).rejects.toThrow(TypeError);
  const weak = `ed25519:01${'0'.repeat(62)}`;
  await expect(seal(alice, { ...message, to: weak })).rejects.toEqual(refused('invalid_primary'));
});

test("one's own copy tells to whom, and is one's own alone", async () => {
  const message = compose(alice, bob.primary, 'hi');
  const copy = await sealCopy(alice, message);
  const seen = new Seen();
  expect(await new Opener(alice).read(copy, message.sent_at, seen)).toEqual(message);
  await expect(new Opener(bob).open(copy, message.sent_at)).rejects.toEqual(refused('not_opened'));
  // Whoever has the statement may seal it for its sender again: it is still what she wrote, and once.
  const passedOn = async (to: Identity) => {
    const { enc, ct } = await sealTo(to.primary, plaintext(alice, message));
    return { v: 2, enc: base64url(enc), ct: base64url(ct) };
  };
  const again = new Opener(alice).read(await passedOn(alice), message.sent_at, seen);
  await expect(again).rejects.toEqual(refused('already_seen'));
  const carol = Identity.generate();
  const foreign = new Opener(carol).open(await passedOn(carol), message.sent_at);
  await expect(foreign).rejects.toEqual(refused('wrong_recipient'));
});

test('mail of an earlier key stays readable', async () => {
  const [old, older, now] = [Identity.generate(), Identity.generate(), Identity.generate()];
  const opener = new Opener(now, [old, older]);
  for (const own of [old, older, now]) {
    const message = compose(alice, own.primary, 'hi');
    expect(await opener.open(await seal(alice, message), message.sent_at)).toEqual(message);
    expect(opener.isOwn(own.primary)).toBe(true);
  }
  const message = compose(alice, bob.primary, 'hi');
  await expect(opener.open(await seal(alice, message), message.sent_at)).rejects.toEqual(
    refused('not_opened'),
  );
  expect(opener.isOwn(bob.primary)).toBe(false);
  await expect(opener.open('{}', message.sent_at)).rejects.toEqual(refused('malformed_envelope'));
});

test('padding has one form', () => {
  for (const [json, bucket] of [
    [0, 512],
    [508, 512],
    [509, 1024],
    [131_068, 131_072],
    [131_069, 180_228],
    [180_224, 180_228],
    [180_225, undefined],
  ] as const) {
    expect(paddedLength(json)).toBe(bucket);
  }
  const good = pad(utf8('{}')) as Uint8Array;
  // A view into a larger buffer is read from where it begins.
  expect(unpad(Uint8Array.from([9, ...good, 9]).subarray(1, 513))).toEqual(utf8('{}'));
  for (const [at, value] of [
    [511, 1],
    [6, 1],
    [2, 2],
    [0, 255],
  ] as const) {
    expect(() => unpad(good.with(at, value))).toThrow(refused('bad_padding'));
  }
});

test('base64url has one spelling', () => {
  for (const bytes of [
    new Uint8Array(),
    fromHex('00fbff'),
    fromHex('fb'),
    new Uint8Array(300_000).fill(0xfb),
  ]) {
    expect(hex(fromBase64url(base64url(bytes)) ?? Uint8Array.of(1))).toBe(hex(bytes));
  }
  for (const bad of ['A', 'AB', 'AAA=', '+A', '/A', 'A A', 'AA\n', 'AAAAA', 'é']) {
    expect(fromBase64url(bad), bad).toBeUndefined();
  }
});

test('what was seen is bounded and never fooled', () => {
  const nth = (n: number): Message => ({
    id: n.toString(16).padStart(32, '0'),
    primary: alice.primary,
    to: bob.primary,
    sent_at: new Date((1000 + n) * 1000).toISOString().replace('.000Z', 'Z'),
    body: { text: 'x' },
  });
  const seen = new Seen();
  for (let n = 0; n < Seen.CAPACITY; n++) seen.admit(nth(n));
  // The first one came again under a new time: it isn't the oldest any more.
  const anew = { ...nth(0), sent_at: nth(Seen.CAPACITY).sent_at };
  expect(() => seen.admit(anew)).toThrow(refused('already_seen'));
  seen.admit(nth(Seen.CAPACITY));
  const kept = JSON.stringify(seen);
  expect(JSON.parse(kept).floor).toBe(1001);
  expect(JSON.parse(kept).seen).toHaveLength(Seen.CAPACITY);
  for (const memory of [seen, Seen.fromJSON(JSON.parse(kept))]) {
    expect(() => memory.admit(nth(1))).toThrow(refused('beyond_memory'));
    expect(() => memory.admit(nth(2))).toThrow(refused('already_seen'));
    expect(() => memory.admit(nth(0))).toThrow(refused('already_seen'));
    memory.admit({ ...nth(2), primary: bob.primary });
  }
  const key = '0'.repeat(32);
  const twice = {
    seen: [
      [5, key],
      [6, key],
    ],
  };
  for (const bad of [
    {},
    [],
    { seen: [[5]] },
    { seen: [[5, 'xx']] },
    { seen: [5] },
    { floor: 'x', seen: [] },
    twice,
  ]) {
    expect(() => Seen.fromJSON(bad), JSON.stringify(bad)).toThrow(TypeError);
  }
});

test('a pinned key changes only with a proof', () => {
  const [old, next] = [alice.primary, bob.primary];
  const unasked = () => expect.unreachable('no proof is needed');
  const pins = new Pins();
  const check = (offered: string, proves: (from: string, to: string) => boolean) =>
    pins.check('alice', 'here.example', offered, proves);
  expect(check(old, unasked)).toEqual({ outcome: 'new' });
  expect(check(old, unasked)).toEqual({ outcome: 'same' });
  expect(pins.check('alice', 'there.example', next, unasked)).toEqual({ outcome: 'new' });
  expect(() => check(next, () => false)).toThrow(new KeyChanged('alice@here.example', old, next));
  expect(pins.get('alice', 'here.example')).toBe(old);
  const follows = (from: string, to: string) => from === old && to === next;
  expect(check(next, follows)).toEqual({ outcome: 'proven', from: old });
  expect(() => check(old, follows)).toThrow(KeyChanged);
  expect(() => check('ed25519:x', () => true)).toThrow(refused('invalid_primary'));
  const kept = JSON.stringify(pins);
  expect(kept).toBe(`{"alice@here.example":"${next}","alice@there.example":"${next}"}`);
  expect(JSON.stringify(Pins.fromJSON(JSON.parse(kept)))).toBe(kept);
  for (const bad of [null, [], { a: 'ed25519:x' }, { a: 5 }]) expect(() => Pins.fromJSON(bad)).toThrow();
});
