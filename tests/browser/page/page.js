// What a test does in the page: the library, and feeds that are written down as they come.
import * as kez from './kez.js';

/** Follows a client's mail from a cursor, and keeps every event. */
function follow(client, cursor) {
  const mail = client.mail(cursor);
  const feed = { mail, events: [], failed: undefined };
  feed.done = (async () => {
    try {
      for await (const event of mail) feed.events.push(event);
    } catch (error) {
      feed.failed = error.code ?? String(error);
    }
  })();
  feed.messages = () => feed.events.filter((e) => e.type === 'message').map((e) => e.message);
  feed.count = (type) => feed.events.filter((e) => e.type === type).length;
  return feed;
}

/** How something fails: its code and status; `undefined` if it doesn't. */
const failure = (promise) =>
  promise.then(
    () => undefined,
    ({ code, status, message }) => ({ code, status, message }),
  );

globalThis.test = { kez, follow, failure, people: {} };
