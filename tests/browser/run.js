// Drives a real browser through the client library, against a real server. Every step prints a line; the first that fails ends the run.
// Environment: KEZ_URL, KEZ_NATS_WS, KEZ_DOMAIN, NATS_PID_FILE, PAGE (the folder that the server serves), CHROMIUM, and, where KEZ_NATS_WS is wss://,
// CERTIFICATE: that of nats-server, which nobody vouches for.
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { chromium } from 'playwright-core';

const { KEZ_URL, KEZ_NATS_WS, KEZ_DOMAIN, NATS_PID_FILE, PAGE, CHROMIUM, CERTIFICATE } = process.env;
const DEADLINE = 60_000;
const where = { api: KEZ_URL, domain: KEZ_DOMAIN, servers: KEZ_NATS_WS };

const launch = (args) => chromium.launch({ executablePath: CHROMIUM, args });
const browser = await launch(CERTIFICATE ? [`--ignore-certificate-errors-spki-list=${keyHash()}`] : []);
const complaints = [];

/** What Chromium knows a key by. */
function keyHash() {
  const { publicKey } = new X509Certificate(readFileSync(CERTIFICATE));
  const der = publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(der).digest('base64');
}

async function open(url, prepare = async () => {}, within = browser) {
  const page = await (await within.newContext()).newPage();
  await prepare(page);
  page.setDefaultTimeout(DEADLINE);
  page.on('pageerror', (error) => complaints.push(`${url}: ${error.stack}`));
  await page.goto(url);
  await page.waitForFunction(() => globalThis.test !== undefined);
  return page;
}

async function step(name, run) {
  const began = Date.now();
  await run();
  console.log(`ok: ${name} (${Date.now() - began} ms)`);
}

const until = (page, condition, argument) => page.waitForFunction(condition, argument, { polling: 50 });

let alice;
let bob;

await step('a page of the server registers a handle, and logs in with its key', async () => {
  alice = await open(KEZ_URL);
  const record = await alice.evaluate(async ({ api, domain, servers }) => {
    const { kez, people, follow } = test;
    const key = kez.Identity.generate();
    const record = await kez.register(api, domain, 'alice', key);
    const client = await kez.NatsClient.connect({
      servers,
      domain,
      handle: 'alice',
      login: kez.withKey(key),
    });
    people.alice = { key, client, feed: follow(client) };
    return record;
  }, where);
  assert.equal(record.fqhn, `alice@${KEZ_DOMAIN}`);
  await until(alice, () => test.people.alice.feed.count('connected') === 1);
});

await step('another logs in with a session, whose token is renewed', async () => {
  bob = await open(KEZ_URL);
  const tokens = await bob.evaluate(async ({ api, domain, servers }) => {
    const { kez, people, follow } = test;
    const key = kez.Identity.generate();
    await kez.register(api, domain, 'bobby', key);
    const session = await kez.Session.begin(api, domain, key, 3600);
    const client = await kez.NatsClient.connect({ servers, domain, handle: session.handle, login: session });
    people.bobby = { session, client, feed: follow(client) };
    const first = await session.token();
    const same = await session.token();
    let renewed = first;
    // Tokens of one second are the same.
    while (renewed === first) renewed = await session.token(true);
    return { first, same, renewed, kept: await session.token(), lasts: session.endsAt - Date.now() };
  }, where);
  assert.equal(tokens.first, tokens.same);
  assert.equal(tokens.renewed, tokens.kept);
  assert.ok(tokens.lasts > 3500_000 && tokens.lasts <= 3600_000, `${tokens.lasts}`);
  await until(bob, () => test.people.bobby.feed.count('connected') === 1);
});

await step('messages go both ways, live', async () => {
  const hello = { v: 2, enc: 'YQ', ct: 'hello' };
  const sent = await alice.evaluate((envelope) => test.people.alice.client.send('bobby', envelope), hello);
  await until(bob, () => test.people.bobby.feed.messages().length === 1);
  const got = await bob.evaluate(() => test.people.bobby.feed.messages());
  assert.deepEqual(got, [{ seq: sent.seq, created_at: sent.created_at, envelope: hello }]);

  const reply = { v: 2, enc: 'Yg', ct: 'good day – ☀' };
  const answered = await bob.evaluate((envelope) => test.people.bobby.client.send('alice', envelope), reply);
  await until(alice, () => test.people.alice.feed.messages().length === 1);
  const back = await alice.evaluate(() => test.people.alice.feed.messages());
  assert.deepEqual(back, [{ seq: answered.seq, created_at: answered.created_at, envelope: reply }]);

  const again = await alice.evaluate((envelope) => test.people.alice.client.send('bobby', envelope), hello);
  assert.deepEqual(again, { ...sent, duplicate: true });
});

await step('history, lookup, deletion, and errors with their codes', async () => {
  const seen = await bob.evaluate(async () => {
    const { client } = test.people.bobby;
    const { failure } = test;
    const before = await client.history({ head: true });
    const record = await client.lookup({ handle: 'alice' });
    return {
      before,
      record,
      same: await client.lookup({ primary: record.primary }),
      failures: await Promise.all([
        failure(client.send('nobody', { v: 2 })),
        failure(client.send('NOT A HANDLE', { v: 2 })),
        failure(client.lookup({ handle: 'nobody' })),
        failure(client.history({ limit: 0 })),
        failure(client.send('alice', { large: 'x'.repeat(300 * 1024) })),
      ]),
      purged: await client.ack(before.head),
      after: await client.history({ head: true }),
    };
  });
  assert.equal(seen.before.messages.length, 1);
  assert.equal(seen.before.head, seen.before.messages[0].seq);
  assert.equal(seen.record.handle, 'alice');
  assert.deepEqual(seen.same, seen.record);
  const codes = seen.failures.map(({ code, status }) => [code, status]);
  assert.deepEqual(codes, [
    ['unknown_handle', 404],
    ['invalid_handle', 400],
    ['unknown_handle', 404],
    ['invalid_parameter', 400],
    ['too_large', 413],
  ]);
  assert.deepEqual(seen.purged, { purged: 1 });
  assert.deepEqual([seen.after.messages, seen.after.head, seen.after.epoch], [[], 0, seen.before.epoch]);
});

await step('nothing is sent without a connection, and nobody waits for one', async () => {
  const failed = await alice.evaluate(async () => {
    const { client } = test.people.alice;
    client.reconnect();
    const failed = await test.failure(client.send('bobby', { v: 2, never: 'sent' }));
    return { ...failed, connected: client.connected };
  });
  assert.deepEqual([failed.code, failed.status, failed.connected], ['disconnected', 0, false]);
  await until(
    alice,
    () => test.people.alice.client.connected && test.people.alice.feed.count('connected') === 2,
  );
});

let mail = 1;

await step('through forced reconnects and a broker that is killed: no gap, no duplicate', async () => {
  // Bob sends until he is stopped, and sends again what failed: the server stores it once.
  await bob.evaluate(() => {
    const { bobby } = test.people;
    const sending = { seqs: [], failures: 0, stopped: false };
    const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
    bobby.sending = sending;
    bobby.sent = (async () => {
      // What failed may be stored all the same, so that it isn't left at that.
      let unconfirmed = false;
      while (!sending.stopped || unconfirmed) {
        try {
          unconfirmed = true;
          sending.seqs.push((await bobby.client.send('alice', { v: 2, n: sending.seqs.length })).seq);
          unconfirmed = false;
          await pause(3);
        } catch (error) {
          if (error.retryAfter === undefined) throw error;
          sending.failures += 1;
          await pause(50);
        }
      }
    })();
  });
  const more = async () => {
    const count = await alice.evaluate(() => test.people.alice.feed.messages().length);
    await until(alice, (count) => test.people.alice.feed.messages().length >= count, count + 40);
  };
  for (let times = 0; times < 3; times++) {
    await more();
    await alice.evaluate(() => test.people.alice.client.reconnect());
  }
  await more();
  process.kill(Number(readFileSync(NATS_PID_FILE, 'utf8')), 'SIGKILL');
  await until(bob, () => test.people.bobby.sending.failures > 0);
  await more();
  await bob.evaluate(() => test.people.bobby.client.reconnect());
  await more();
  const sent = await bob.evaluate(async () => {
    const { bobby } = test.people;
    bobby.sending.stopped = true;
    await bobby.sent;
    return bobby.sending;
  });
  mail += sent.seqs.length;
  await until(alice, (count) => test.people.alice.feed.messages().length >= count, mail);
  const got = await alice.evaluate(() => {
    const { feed } = test.people.alice;
    const count = Object.fromEntries(
      ['connected', 'disconnected', 'resync'].map((type) => [type, feed.count(type)]),
    );
    // The one before is of an earlier step.
    return { messages: feed.messages().slice(1), ...count, dropped: feed.mail.dropped };
  });
  assert.deepEqual(
    got.messages.map((m) => m.seq),
    sent.seqs,
  );
  assert.deepEqual(
    got.messages.map((m) => m.envelope.n),
    [...sent.seqs.keys()],
  );
  assert.ok(got.disconnected >= 5 && got.connected === got.disconnected + 1, JSON.stringify(got));
  assert.deepEqual([got.resync, got.dropped], [0, 0]);
  console.log(
    `    ${sent.seqs.length} messages, ${got.disconnected} connections lost, ${sent.failures} sends failed and were sent again`,
  );
});

await step('a slow reader gets what no longer waited for it from history', async () => {
  const { cursor } = await alice.evaluate(async () => {
    const { client, feed } = test.people.alice;
    const { message, epoch } = feed.events.findLast((e) => e.type === 'message');
    const slow = client.mail({ seq: message.seq, epoch })[Symbol.asyncIterator]();
    test.people.slow = slow;
    return (await slow.next()).value;
  });
  const seqs = await bob.evaluate(async () => {
    const sent = Array.from({ length: 400 }, (_, slow) =>
      test.people.bobby.client.send('alice', { v: 2, slow }),
    );
    return (await Promise.all(sent)).map((one) => one.seq).sort((a, b) => a - b);
  });
  mail += seqs.length;
  await until(alice, (count) => test.people.alice.feed.messages().length === count, mail);
  const got = await alice.evaluate(async (count) => {
    const { slow } = test.people;
    const seqs = [];
    while (seqs.length < count) seqs.push((await slow.next()).value.message.seq);
    await slow.return();
    return seqs;
  }, seqs.length);
  assert.ok(cursor.seq < seqs[0]);
  assert.deepEqual(got, seqs);
});

await step('who comes back with a cursor gets what came meanwhile, and no more', async () => {
  const { cursor, last } = await alice.evaluate(async () => {
    const { client, feed } = test.people.alice;
    feed.mail.close();
    await feed.done;
    const { message, epoch } = feed.events.findLast((e) => e.type === 'message');
    return { cursor: { seq: message.seq, epoch }, last: client.closed };
  });
  assert.equal(last, false);
  await bob.evaluate(() =>
    Promise.all([1, 2, 3].map((later) => test.people.bobby.client.send('alice', { v: 2, later }))),
  );
  await alice.evaluate((cursor) => {
    const { alice } = test.people;
    alice.feed = test.follow(alice.client, cursor);
  }, cursor);
  await until(alice, () => test.people.alice.feed.messages().length === 3);
  const first = await alice.evaluate(() => test.people.alice.feed.events[0]);
  assert.deepEqual(first, { type: 'connected', cursor });
  // Another store's cursor: all comes again.
  await alice.evaluate((cursor) => {
    test.people.again = test.follow(test.people.alice.client, { ...cursor, epoch: 'of another store' });
  }, cursor);
  mail += 3;
  await until(alice, (count) => test.people.again.messages().length === count, mail);
  const begins = await alice.evaluate(() => test.people.again.events.slice(0, 2));
  const { epoch } = cursor;
  assert.deepEqual(begins, [
    { type: 'resync', epoch },
    { type: 'connected', cursor: { seq: 0, epoch } },
  ]);
});

await step("no answer is sent to somebody's inbox", async () => {
  await bob.evaluate(async () => {
    const { connection } = test.people.bobby.client;
    const reply = 'kez.chat.inbox.alice';
    const text = (json) => new TextEncoder().encode(JSON.stringify(json));
    connection.publish('kez.chat.lookup.bobby', text({ handle: 'alice' }), { reply });
    connection.publish('kez.chat.send.bobby', text({ to: 'nobody', envelope: {} }), { reply });
    await connection.flush();
  });
  const { seq } = await bob.evaluate(() =>
    test.people.bobby.client.send('alice', { v: 2, after: 'the answers' }),
  );
  await until(alice, (seq) => test.people.alice.feed.messages().at(-1)?.seq === seq, seq);
  assert.equal(await alice.evaluate(() => test.people.alice.feed.messages().length), 4);
  assert.equal(await alice.evaluate(() => test.people.alice.feed.mail.dropped), 0);
});

await step('no other key, domain, token or handle does', async () => {
  const failed = await bob.evaluate(async ({ domain, servers }) => {
    const { kez, failure, follow, people } = test;
    const { session, client } = people.bobby;
    const login = (login, more = {}) =>
      failure(kez.NatsClient.connect({ servers, domain, handle: 'bobby', login, ...more }));
    const stranger = kez.Identity.generate();
    const { primary } = session;
    const others = await kez.NatsClient.connect({ servers, domain, handle: 'alice', login: session });
    const feed = follow(others);
    await feed.done;
    const result = {
      unregistered: await login(kez.withKey(stranger)),
      domain: await login(session, { domain: 'other.test' }),
      withoutToken: await login({ primary, key: session.key }),
      otherKey: await login({ primary, key: stranger, token: () => session.token() }),
      tampered: await login({ primary, key: session.key, token: async () => `${await session.token()}x` }),
      feed: feed.failed,
      send: await failure(others.send('bobby', { v: 2 })),
      still: client.connected,
    };
    await others.close();
    return result;
  }, where);
  const { feed, send, still, ...logins } = failed;
  for (const [name, refusal] of Object.entries(logins))
    assert.equal(refusal?.code, 'refused', `${name}: ${JSON.stringify(refusal)}`);
  assert.deepEqual([feed, send?.code, still], ['not_owner', 'not_owner', true]);
});

await step("a page of another site can't connect", async () => {
  const types = { '/': 'text/html', '/page.js': 'text/javascript', '/kez.js': 'text/javascript' };
  const site = createServer(({ url }, response) => {
    if (!types[url]) return response.writeHead(404).end();
    response
      .writeHead(200, { 'content-type': types[url] })
      .end(readFileSync(`${PAGE}${url === '/' ? '/index.html' : url}`));
  });
  await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve));
  const foreign = await open(`http://127.0.0.1:${site.address().port}`);
  const failed = await foreign.evaluate(async ({ domain, servers }) => {
    const { kez, failure } = test;
    const login = kez.withKey(kez.Identity.generate());
    return failure(kez.NatsClient.connect({ servers, domain, handle: 'alice', login }));
  }, where);
  // A key that is refused has another code: the browser wasn't even let in.
  assert.equal(failed?.code, 'disconnected');
  site.close();
});

if (CERTIFICATE) {
  await step('a certificate that nobody vouches for is no server', async () => {
    const wary = await launch([]);
    const page = await open(KEZ_URL, undefined, wary);
    const failed = await page.evaluate(async ({ domain, servers }) => {
      const { kez, failure } = test;
      const login = kez.withKey(kez.Identity.generate());
      return failure(kez.NatsClient.connect({ servers, domain, handle: 'alice', login }));
    }, where);
    // A key that is refused has another code: nothing was signed for this one.
    assert.equal(failed?.code, 'disconnected');
    await wary.close();
  });
}

await step('a broker that wants a signature over anything but a nonce gets none', async () => {
  const nonces = {
    good: 'b_NUDM4LtgYbvSk',
    claim: '{"kez":"claim","revoke":"all","seq":1}',
    none: undefined,
  };
  const said = { good: '', claim: '', none: '' };
  const hostile = await open(KEZ_URL, (page) =>
    page.routeWebSocket(/^ws:\/\/broker\.test/, (socket) => {
      const name = new URL(socket.url()).pathname.slice(1);
      socket.onMessage((message) => {
        said[name] += message;
      });
      const info = {
        server_id: 'N',
        version: '2.15.1',
        proto: 1,
        headers: true,
        max_payload: 1048576,
        nonce: nonces[name],
      };
      socket.send(Buffer.from(`INFO ${JSON.stringify(info)}\r\n`));
      if (name === 'good') socket.send(Buffer.from("-ERR 'Authorization Violation'\r\n"));
    }),
  );
  const failed = await hostile.evaluate(async (domain) => {
    const { kez, failure } = test;
    const login = kez.withKey(kez.Identity.generate());
    const at = (name) =>
      failure(
        kez.NatsClient.connect({ servers: `ws://broker.test/${name}`, domain, handle: 'alice', login }),
      );
    return { good: await at('good'), claim: await at('claim'), none: await at('none') };
  }, KEZ_DOMAIN);
  assert.deepEqual(
    [failed.good?.code, failed.claim?.code, failed.none?.code],
    ['refused', 'malformed', 'malformed'],
  );
  assert.match(said.good, /^CONNECT .*"nkey":"U[A-Z2-7]{55}".*"sig":"[\w-]{86}"/);
  assert.deepEqual([said.claim, said.none], ['', '']);
});

await step('a client that is closed stays closed, and its feeds end', async () => {
  const ended = await alice.evaluate(async () => {
    const { client, feed } = test.people.alice;
    await client.close();
    await feed.done;
    return {
      failed: feed.failed,
      closed: client.closed,
      send: await test.failure(client.send('bobby', { v: 2 })),
    };
  });
  assert.deepEqual([ended.failed, ended.closed, ended.send?.code], [undefined, true, 'disconnected']);
});

await browser.close();
assert.deepEqual(complaints, []);
console.log('ok: no page complained');
