// Mail over server-sent events.

export { SseMail } from './mail.ts';
