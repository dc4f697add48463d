// The client layer: everything of the application but what it looks like.

export { KezError } from '../lib/error.ts';
export { BadPhrase } from '../lib/keys/bad-phrase.ts';
export { Refusal } from '../lib/refusal.ts';
export { KeyChanged } from '../lib/sealing/key-changed.ts';
export type { Primary, ServerInfo } from '../lib/wire.ts';
export { Chat } from './chat.svelte.ts';
export { Client } from './client.svelte.ts';
export { ClientError, codeOf, ForeignServer, WrongPassphrase } from './errors.ts';
export type { IdentityLog, LogDevice, LogEvent, LogSubject } from './identity.svelte.ts';
export { FILE_BYTES } from './limits.ts';
export * from './types.ts';
