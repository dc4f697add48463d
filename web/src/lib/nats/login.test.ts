import { ed25519 } from '@noble/curves/ed25519.js';
import { expect, test } from 'vitest';
import { KezError } from '../error.ts';
import { Identity } from '../identity.ts';
import { authenticator, loginText } from './login.ts';

const NONCE = 'b_NUDM4LtgYbvSk';
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

test('what is signed names the purpose and the domain', () => {
  expect(text(loginText('kez.lat', NONCE))).toBe(`KEZ-NATS-AUTH-v1\nkez.lat\n${NONCE}`);
  for (const good of ['12345678', 'a'.repeat(64), 'AZaz09-_'])
    expect(() => loginText('kez.lat', good)).not.toThrow();
});

test("what isn't a nonce is never signed", () => {
  const key = Identity.generate();
  const bad = [
    undefined,
    '',
    '1234567',
    'a'.repeat(65),
    '{"kez":"claim","revoke":"all","seq":1}',
    `${NONCE}\n`,
    `${NONCE}\nkez.lat`,
    `${NONCE}=`,
    `${NONCE}+`,
    `${NONCE} `,
    `é${NONCE}`,
  ];
  for (const nonce of bad) {
    expect(() => loginText('kez.lat', nonce), nonce).toThrow(KezError);
    expect(() => authenticator(key, 'kez.lat', undefined)(nonce), nonce).toThrow(KezError);
  }
});

test('a login carries the key, the signature and, in a session, the token', () => {
  const key = Identity.generate();
  const login = authenticator(key, 'kez.lat', undefined)(NONCE) as { nkey: string; sig: string };
  expect(Object.keys(login)).toEqual(['nkey', 'sig']);
  expect([login.nkey, login.sig]).toEqual([key.nkey, expect.stringMatching(/^[A-Za-z0-9_-]{86}$/)]);
  const sig = Uint8Array.from(atob(login.sig.replaceAll('-', '+').replaceAll('_', '/')), (c) =>
    c.charCodeAt(0),
  );
  expect(ed25519.verify(sig, loginText('kez.lat', NONCE), key.publicKey)).toBe(true);
  expect(authenticator(key, 'kez.lat', 'a.b.c')(NONCE)).toEqual({ ...login, auth_token: 'a.b.c' });
});
