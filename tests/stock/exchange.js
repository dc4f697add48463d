// One exchange of messages by a stock NATS client: `listen`, then wait for the word to go, `send`, and tell what came. Nothing here is of Kez Chat but the
// subjects, which come from the environment as everything else does.
import { createInterface } from 'node:readline/promises';
import { WebSocket } from 'ws';

export const { NATS_URL, SEED, INBOX_PREFIX, INBOX, SEND, PEER } = process.env;

// Node 20 has no WebSocket of its own.
globalThis.WebSocket ??= WebSocket;

/** The options of both libraries, each with its own way to sign. */
export const options = (nkeyAuthenticator) => ({
  servers: NATS_URL,
  authenticator: nkeyAuthenticator(new TextEncoder().encode(SEED)),
  inboxPrefix: INBOX_PREFIX,
  reconnect: false,
});

/** Exchanges one message with the peer over this connection, and prints what it saw. */
export async function exchange(client, connection) {
  const inbox = connection.subscribe(INBOX, { max: 1 });
  await connection.flush();
  console.log('ready');
  await createInterface({ input: process.stdin }).question('');
  const request = JSON.stringify({ to: PEER, envelope: { from: client } });
  const answer = await connection.request(SEND, new TextEncoder().encode(request), { timeout: 10_000 });
  if (answer.headers?.has('Nats-Service-Error')) throw new Error(answer.headers.get('Nats-Service-Error'));
  for await (const message of inbox) {
    const headers = Object.fromEntries(
      message.headers.keys().map((name) => [name, message.headers.values(name)]),
    );
    const received = { subject: message.subject, headers, envelope: message.json() };
    console.log(JSON.stringify({ client, sent: answer.json(), received }));
  }
  await connection.close();
  process.exit(0);
}
