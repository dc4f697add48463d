// Keys of both kinds, and the words that one is written down as.

export { BadPhrase } from './bad-phrase.ts';
export { parseKey } from './key.ts';
export * as mnemonic from './mnemonic.ts';
export { NostrIdentity } from './nostr.ts';
export type { Signer } from './suite.ts';
