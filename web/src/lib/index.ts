// The client's library: keys, registration, sessions, mail over NATS, sealed messages, claims and identity logs.

export { canonical } from './canonical.ts';
export * as chainExport from './chain/export.ts';
export * from './chain/index.ts';
export { registration, type Signed, signed } from './envelope.ts';
export { KezError, type LocalCode } from './error.ts';
export { lookup, lookupKey, send, server } from './http.ts';
export { Identity } from './identity.ts';
export * from './keys/index.ts';
export * from './nats/index.ts';
export * as proof from './proof/index.ts';
export { Undecodable } from './proof/undecodable.ts';
export { Refusal, type RefusalCode } from './refusal.ts';
export { register } from './register.ts';
export * from './sealing/index.ts';
export { Session } from './session.ts';
export * from './sse/index.ts';
export { timestamp } from './timestamp.ts';
export type { Verified } from './verify.ts';
export { verifyEnvelope } from './verify-envelope.ts';
export type * from './wire.ts';
