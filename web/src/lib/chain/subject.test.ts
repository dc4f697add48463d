import { expect, test } from 'vitest';
import { Refusal } from '../refusal.ts';
import { parseSubject } from './subject.ts';

const NPUB = 'npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg';

test('each system has one spelling', () => {
  for (const [text, want] of [
    ['github:Alice-B', 'github:alice-b'],
    ['dns:Example.ORG', 'dns:example.org'],
    ['bluesky:Alice.bsky.social', 'bluesky:alice.bsky.social'],
    ['ap:@Alice_1@Social.example', 'ap:alice_1@social.example'],
    ['mastodon:alice@social.example', 'ap:alice@social.example'],
    ['did:plc:ewVi7nxzyoun6zhxrhs64oiz', 'did:plc:ewVi7nxzyoun6zhxrhs64oiz'],
    ['did:web:example.org:user:alice', 'did:web:example.org:user:alice'],
    ['ens:Alice.eth', 'ens:alice.eth'],
    ['web:alice.example/about#Me', 'web:alice.example/about#Me'],
    ['web:https://alice.example/~Alice', 'web:https://alice.example/~Alice'],
    [`nostr:${NPUB}`, `nostr:${NPUB}`],
  ] as const) {
    expect(parseSubject(text)).toBe(want);
    expect(parseSubject(want)).toBe(want);
  }
});

test('what is no subject', () => {
  for (const bad of [
    '',
    'alice',
    ':alice',
    'github:',
    'github:a b',
    'github:a_b',
    `github:${'a'.repeat(40)}`,
    // The Kelvin sign, which is a k in lower case.
    'github:\u212aelvin',
    'GitHub:alice',
    'gitlab:alice',
    'constructor:alice',
    'ed25519:2152f8d19b791d24453242e15f2eab6cb7cffa7b6a5ed30097960e069881db12',
    'dns:localhost',
    'dns:example.org.',
    'dns:a..b',
    'dns:-a.example',
    `dns:${'a'.repeat(64)}.example`,
    'bluesky:alice',
    'ap:alice',
    'ap:@@social.example',
    'ap:alice@localhost',
    'did:plc',
    'did:PLC:x',
    'did:plc:',
    'ens:eth',
    'ens:.eth',
    'web:',
    'web:http://alice.example',
    'web:ftp://alice.example',
    'web:https://user:secret@alice.example',
    'web:javascript:alert(1)',
    'nostr:npub1',
    'dns:example.org\n',
    'dns:\u00a0example.org',
    'web:alice.example/\u0085',
    `web:alice.example/${'x'.repeat(255)}`,
    `web:alice.example/${'ä'.repeat(120)}`,
  ]) {
    expect(() => parseSubject(bad), bad).toThrow(new Refusal('invalid_subject'));
  }
});
