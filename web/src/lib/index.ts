// The client's library: keys, registration, sessions, and mail over NATS.

export { canonical } from './canonical.ts';
export { registration, signed } from './envelope.ts';
export { KezError, type LocalCode } from './error.ts';
export { register, server } from './http.ts';
export { Identity } from './identity.ts';
export * from './nats/index.ts';
export { Refusal, type RefusalCode } from './refusal.ts';
export * from './sealing/index.ts';
export { Session } from './session.ts';
export type * from './wire.ts';
