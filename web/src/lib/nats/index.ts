// Mail over NATS.

export type { Cursor } from './catch-up.ts';
export { NatsClient, type Options } from './client.ts';
export { type Login, withKey } from './login.ts';
export { Mail, type MailEvent } from './mail.ts';
