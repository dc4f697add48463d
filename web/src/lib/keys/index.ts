// Keys of both kinds, and the words that one is written down as.

export { BadPhrase } from './bad-phrase.ts';
export { parseKey, type Signer } from './key.ts';
export * as mnemonic from './mnemonic.ts';
export { NostrIdentity } from './nostr.ts';
