import { nkeyAuthenticator, wsconnect } from '@nats-io/nats-core';
import { exchange, options } from './exchange.js';

await exchange('@nats-io/nats-core', await wsconnect(options(nkeyAuthenticator)));
