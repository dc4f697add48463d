// The vectors that every client must treat alike, and RFC 9180's own.

import { KEM_DHKEM_X25519_HKDF_SHA256 } from '@panva/hpke-noble';
import type { KEM } from 'hpke';
import { expect, test } from 'vitest';
import golden from '../../../../proto-schemas/vectors/sealing.json';
import invalid from '../../../../proto-schemas/vectors/sealing-invalid.json';
import { base64url, fromHex, hex } from '../bytes.ts';
import { Identity } from '../identity.ts';
import { Refusal } from '../refusal.ts';
import { type Body, type Message, plaintext } from './message.ts';
import { Opener } from './opener.ts';
import { Seen } from './seen.ts';
import { sealTo, suiteOf, x25519Of } from './suite.ts';

const identity = (seed: string) => Identity.fromSeed(fromHex(seed));

/** The key encapsulation of the suite, with an ephemeral key of this material (`ikmE` in RFC 9180). */
function fixed(ikm: string): () => KEM {
  const kem = KEM_DHKEM_X25519_HKDF_SHA256();
  return () => ({ ...kem, GenerateKeyPair: (extractable) => kem.DeriveKeyPair(fromHex(ikm), extractable) });
}

test("RFC 9180's vectors of the suite, base mode", async () => {
  const { info, ikmE, skRm, pkRm, enc, pt, encryptions } = golden.rfc9180;
  const suite = suiteOf(fixed(ikmE));
  const secret = await suite.DeserializePrivateKey(fromHex(skRm), false);
  const sender = await suite.SetupSender(await suite.DeserializePublicKey(fromHex(pkRm)), {
    info: fromHex(info),
  });
  expect(hex(sender.encapsulatedSecret)).toBe(enc);
  const receiver = await suite.SetupRecipient(secret, fromHex(enc), { info: fromHex(info) });
  expect(encryptions).toHaveLength(2);
  for (const { aad, ct } of encryptions) {
    expect(hex(await sender.ctx.Seal(fromHex(pt), fromHex(aad)))).toBe(ct);
    expect(hex(await receiver.Open(fromHex(ct), fromHex(aad)))).toBe(pt);
  }
});

test('a primary has the X25519 form that it has everywhere', () => {
  expect(golden.keys.length).toBeGreaterThan(2);
  for (const { seed, primary, x25519 } of golden.keys) {
    expect(identity(seed).primary).toBe(primary);
    expect(hex(x25519Of(primary))).toBe(x25519);
  }
});

test('golden messages are sealed and opened', async () => {
  expect(golden.messages.length).toBeGreaterThan(10);
  const seen = new Seen();
  for (const vector of golden.messages) {
    const [sender, recipient] = [identity(vector.sender), identity(vector.recipient)];
    const body: Body = vector.text === null ? { other: vector.body } : { text: vector.text };
    const message: Message = {
      id: vector.id,
      primary: sender.primary,
      to: vector.to,
      sent_at: vector.sent_at,
      body,
    };
    const opener = new Opener(recipient);
    expect(await opener.read(vector.envelope, vector.created_at, seen), vector.name).toEqual(message);
    expect(await opener.open(JSON.parse(vector.envelope), vector.created_at)).toEqual(message);
    // What a later version adds can be read but not written.
    if (vector.name.includes('later version')) continue;
    // The members of this JSON stand in another order than ours; what is signed is the same.
    const ours = new TextDecoder().decode(plaintext(sender, message).subarray(4)).replace(/\0+$/, '');
    expect(JSON.parse(ours), vector.name).toEqual(JSON.parse(vector.json));
  }
});

test('the same draw seals to the same bytes', async () => {
  for (const vector of golden.messages) {
    const { enc, ct } = JSON.parse(vector.envelope) as { enc: string; ct: string };
    const json = new TextEncoder().encode(vector.json);
    const padded = new Uint8Array((ct.length * 3) / 4 - 16);
    new DataView(padded.buffer).setUint32(0, json.length);
    padded.set(json, 4);
    const box = await sealTo(identity(vector.recipient).primary, padded, suiteOf(fixed(vector.ikm)));
    expect([base64url(box.enc), base64url(box.ct)], vector.name).toEqual([enc, ct]);
  }
});

test('invalid messages are refused by name', async () => {
  expect(invalid.cases.length).toBeGreaterThan(50);
  const opener = new Opener(identity(invalid.recipient));
  for (const vector of invalid.cases) {
    const seen = new Seen();
    if ('after' in vector) await opener.read(vector.after, vector.created_at, seen);
    const before = JSON.stringify(seen);
    const refusal = await opener.read(vector.envelope, vector.created_at, seen).catch((error) => error);
    expect(refusal, vector.name).toBeInstanceOf(Refusal);
    expect(refusal.code, vector.name).toBe(vector.refusal);
    if (vector.refusal !== 'already_seen') expect(JSON.stringify(seen), vector.name).toBe(before);
  }
});
