// Claims and identity logs: which accounts and devices a person says are theirs, and how they go on under another key.

export { Broken, Chain, type Checkpoint, type Device, type KeyPeriod, type Listed } from './chain.ts';
export { type Claim, isOver, signClaim, verifyClaim } from './claim.ts';
export { type Event as ChainEvent, link, verifyEvent } from './event.ts';
export type { Op } from './op.ts';
export { signEvent, signRotation } from './sign.ts';
export { parseSubject } from './subject.ts';
