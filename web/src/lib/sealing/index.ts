// Sealed messages: sealing to a recipient's primary, opening, and what a reader remembers. Nothing here knows a server.

export { KeyChanged } from './key-changed.ts';
export {
  type Body,
  compose,
  type Message as SealedMessage,
  type Sealed,
  seal,
  sealCopy,
  sealWithCopy,
  TooLarge,
} from './message.ts';
export { Opener } from './opener.ts';
export { type Pinned, Pins } from './pins.ts';
export { Seen } from './seen.ts';
