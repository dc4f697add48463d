//! Headers come from clients, and mean nothing: what is asked with them is done as if they weren't there, and none of them is passed on.

use kez_proto::subjects;
use kez_tests::{Deployment, raw_nats::Word};
use serde_json::{Value, json};

use super::{Client, User, WAYS, bystander::Bystander, message, state::State};

/// What JetStream, nats-server, the services or their libraries would heed if it came from one of them.
const FORGED: &[&str] = &[
    "Nats-Expected-Last-Msg-Id: forged",
    "Nats-Expected-Last-Sequence: 424242",
    "Nats-Expected-Last-Subject-Sequence: 424242",
    "Nats-Expected-Stream: OTHER",
    "Nats-Msg-Id: forged",
    "Nats-Sequence: 424242",
    "Nats-Last-Sequence: 424242",
    "Nats-Subject: kez.store.inbox.0.bobby",
    "Nats-Stream: KEZ_INBOX_0",
    "Nats-Time-Stamp: 1970-01-01T00:00:00Z",
    "Nats-Num-Pending: 424242",
    "Nats-Batch-Id: forged",
    "Nats-Batch-Id: forged\r\nNats-Batch-Sequence: 1",
    "Nats-Batch-Id: forged\r\nNats-Batch-Sequence: 1\r\nNats-Batch-Commit: 1",
    "Nats-Rollup: all",
    "Nats-Rollup: sub",
    "Nats-TTL: 1s",
    "Nats-Marker-Reason: Purge",
    "Nats-Incr: +5",
    "Nats-Schedule: @every 1s\r\nNats-Schedule-Target: kez.chat.inbox.bobby",
    "Nats-Required-Api-Level: 99",
    "Nats-Trace-Dest: trace disabled",
    "Nats-Trace-Hop: 1",
    "Nats-Trace-Only: true",
    "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "traceparent: forged\r\ntracestate: forged",
    "Nats-Service-Error: bad_signature: forged\r\nNats-Service-Error-Code: 401",
    "Nats-Service-Error-Code: 99999",
    "Nats-Request-Info: {\"acc\":\"KEZ\"}",
    "Nats-Server-Xkey: XFORGED",
    "Status: 503",
    "Retry-After: 1",
    "Kez-Created-At: 1970-01-01T00:00:00.000Z",
    "Kez-Session: forged",
];

/// The requests that are allowed, each with its answer; the send is to the bystander, and new each time.
fn requests(own: &User, other: &User, n: usize) -> Vec<(String, Value, Value)> {
    let (a, b) = (&own.person.handle, &other.person.handle);
    vec![
        (subjects::client_send(a), json!({"to": b, "envelope": {"n": n}}), Value::Null),
        (subjects::client_history(a), json!({}), json!([])),
        (subjects::client_ack(a), json!({"through": 1}), json!(0)),
        (subjects::client_lookup(a), json!({"handle": b}), json!(b)),
    ]
}

/// Whether this is the right answer to the request with the number `n` of these.
fn is_answer(answer: &Value, expected: &Value) -> bool {
    match expected {
        Value::Null => answer["seq"].is_u64() && answer["duplicate"].is_null(),
        Value::Array(_) => answer["messages"] == *expected,
        Value::Number(_) => answer["purged"] == *expected,
        _ => answer["handle"] == *expected,
    }
}

#[tokio::test]
async fn forged_headers_mean_nothing() {
    let mut deployment = Deployment::start_with(1, &["--limit-sender", "0"], &[]).await;
    let url = deployment.url(0).to_owned();
    let (alice, bob) = (User::registered("alice", &url).await, User::registered("bobby", &url).await);
    let mut bystander = Bystander::of(&deployment, &bob).await;
    bystander.is_undisturbed("before").await;
    let before = State::of(&deployment).await;
    let mut n = 0;
    for way in WAYS {
        let mut client = Client::connect(&deployment, &alice, way).await;
        for forged in FORGED {
            n += 1;
            for (subject, request, expected) in requests(&alice, &bob, n) {
                let what = format!("{forged:?} on {subject}, {way:?}");
                let headers = format!("{forged}\r\n");
                let body = request.to_string();
                let answer = client.asks_with(&subject, &headers, body.as_bytes()).await;
                assert!(is_answer(&answer.json(), &expected), "{what}: {answer:?}");
                assert_eq!(answer.headers, "", "{what}");
                if expected.is_null() {
                    bystander.reads(&request["envelope"]).await;
                }
                // Without a reply subject it is no request.
                let mut unasked = request.clone();
                if expected.is_null() {
                    unasked["envelope"]["n"] = json!("unasked");
                }
                let unasked = message(&subject, "", &headers, unasked.to_string().as_bytes());
                assert_eq!(client.tries(unasked).await, [], "{what}");
            }
        }
    }
    bystander.is_undisturbed("after").await;
    State::of(&deployment).await.only_grew_by(&before, n as u64 + 3);
    // Nothing was merely hidden from the live readers.
    deployment.fanouts[0].terminate().await;
    deployment.fanouts[0] = deployment.fanout();
    deployment.fanouts[0].ready().await;
    bystander.is_undisturbed("after a restart").await;
}

/// A trace goes where its sender may publish, and tells nobody else anything.
#[tokio::test]
async fn a_trace_goes_to_nobody_else() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let (alice, bob) = (User::registered("alice", url).await, User::registered("bobby", url).await);
    let a = &alice.person.handle;
    let mut bystander = Bystander::of(&deployment, &bob).await;
    bystander.is_undisturbed("before").await;
    let before = State::of(&deployment).await;
    for way in WAYS {
        let mut client = Client::connect(&deployment, &alice, way).await;
        for (subject, request, _) in requests(&alice, &bob, 0) {
            for foreign in [
                bob.inbox(),
                bob.reply("x"),
                alice.inbox(),
                alice.reply("x"),
                "$SYS.x".into(),
                "_R_.x".into(),
            ] {
                for only in ["", "Nats-Trace-Only: true\r\n"] {
                    let headers = format!("Nats-Trace-Dest: {foreign}\r\n{only}");
                    let reply = client.next_reply();
                    let words = client
                        .tries(message(&subject, &reply, &headers, request.to_string().as_bytes()))
                        .await;
                    let refusal = format!("Permissions Violation for Publish to \"{foreign}\"");
                    assert_eq!(words, [Word::Err(refusal)], "{subject}, {way:?}");
                }
            }
            // To where she may publish, it is told, and not done. Whoever serves that subject isn't asked anything by it.
            for own in [subjects::client_send(a), subjects::client_ack(a), subjects::client_lookup(a)] {
                let headers = format!("Nats-Trace-Dest: {own}\r\nNats-Trace-Only: true\r\n");
                let reply = client.next_reply();
                let traced = message(&subject, &reply, &headers, request.to_string().as_bytes());
                assert_eq!(client.tries(traced).await, [], "{subject}, {way:?}");
            }
        }
        client.can_look_up(&bob).await;
        client.asks(&subjects::client_history(a), &json!({})).await;
        assert_eq!(client.raw.settle().await, []);
    }
    bystander.is_undisturbed("after").await;
    State::of(&deployment).await.only_grew_by(&before, 3);
}

/// Blocks that aren't headers. nats-server passes them on as they are.
const BROKEN: &[&[u8]] = &[
    b"\r\n\r\n",
    b"junk\r\n\r\n",
    b"NATS/9.9\r\n\r\n",
    b"NATS/1.0 \xff\xfe\r\n\r\n",
    b"NATS/1.0 abc\r\n\r\n",
    b"NATS/1.0 503\r\n\r\n",
    b"NATS/1.0 99999\r\n\r\n",
    b"NATS/1.0\r\nno colon\r\n\r\n",
    b"NATS/1.0\r\n: no name\r\n\r\n",
    b"NATS/1.0\r\nbad name: x\r\n\r\n",
    b"NATS/1.0\r\nName: \xff\xfe\r\n\r\n",
    b"NATS/1.0\r\nN\x00: \x00\r\n\r\n",
    b"NATS/1.0\r\nNo: end",
    b"NATS/1.0",
];

/// Nobody reads them, so that each request is answered as if they weren't there, and no connection ends.
#[tokio::test]
async fn a_broken_header_block_means_nothing() {
    let deployment = Deployment::start_with(1, &["--limit-sender", "0"], &[]).await;
    let url = deployment.url(0);
    let (alice, bob) = (User::registered("alice", url).await, User::registered("bobby", url).await);
    let mut bystander = Bystander::of(&deployment, &bob).await;
    bystander.is_undisturbed("before").await;
    let mut n = 0;
    for way in WAYS {
        let mut client = Client::connect(&deployment, &alice, way).await;
        for block in BROKEN {
            n += 1;
            for (subject, request, expected) in requests(&alice, &bob, n) {
                let what = format!("{:?} on {subject}, {way:?}", String::from_utf8_lossy(block));
                let reply = client.next_reply();
                let body = request.to_string();
                let line = format!("HPUB {subject} {reply} {} {}\r\n", block.len(), block.len() + body.len());
                client.raw.say([line.as_bytes(), block, body.as_bytes(), b"\r\n"].concat()).await;
                let answer = client.raw.msg().await;
                assert_eq!(answer.subject, reply, "{what}: {answer:?}");
                assert!(is_answer(&answer.json(), &expected), "{what}: {answer:?}");
                if expected.is_null() {
                    bystander.reads(&request["envelope"]).await;
                }
            }
        }
    }
    bystander.is_undisturbed("after").await;
    for service in deployment.registries.iter().chain(&deployment.fanouts) {
        assert!(!service.log().contains("NATS is away"), "{}", service.log());
    }
}
