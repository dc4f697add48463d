import { connect, nkeyAuthenticator } from 'nats.ws';
import { exchange, options } from './exchange.js';

await exchange('nats.ws', await connect(options(nkeyAuthenticator)));
