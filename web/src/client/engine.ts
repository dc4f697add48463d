// What signs, seals, opens and sends. It brings the curves along.

export { Identity } from '../lib/identity.ts';
export { register } from '../lib/register.ts';
export { acceptKey, checkKey, findPeer } from './key-change.ts';
export { peersOf } from './peers.ts';
export { MailWork } from './work.ts';
export { writeFile, writeText } from './writing.ts';
