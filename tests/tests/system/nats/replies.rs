//! A client may name any subject for the answer to its request. nats-server refuses its own; the services answer to the client's reply inbox alone.

use kez_proto::{limits::PARTITIONS, subjects};
use kez_tests::{Deployment, raw_nats::Word, within};
use serde_json::{Value, json};

use super::{Client, User, WAYS, bystander::Bystander, message, state::State};

/// Subjects that nats-server keeps for answers to other requests.
const RESERVED: &[&str] = &["_R_.x", "_R_.x.y", "_GR_.x.y.z", "$JS.ACK.KEZ_INBOX_0.x.1.1.1.1.0"];

/// Subjects that aren't one below her own reply inbox.
fn elsewhere(own: &User, other: &User) -> Vec<String> {
    let (a, b) = (&own.person.handle, &other.person.handle);
    let mut all = vec![
        own.inbox(),
        other.inbox(),
        other.reply("x"),
        other.reply("x.y"),
        own.reply("x..y"),
        own.reply("x."),
        subjects::client_send(b),
        subjects::client_history(b),
        subjects::client_ack(b),
        subjects::client_lookup(b),
        subjects::client_send(a),
        subjects::client_ack(a),
        subjects::client_lookup(a),
        subjects::store(b, PARTITIONS),
        subjects::store(a, PARTITIONS),
    ];
    let fixed = [
        ".",
        "kez..x",
        subjects::REGISTRY_REGISTER,
        subjects::REGISTRY_LOG,
        subjects::REGISTRY_CHANGED,
        subjects::FANOUT_SEND,
        subjects::AUTH_REQUEST,
        subjects::CALLOUT_PULSE,
        "_INBOX.x",
        "_INBOX_fanout.x",
        "$JS.API.INFO",
        "$JS.API.STREAM.PURGE.KEZ_REGISTRY",
        "$JS.API.STREAM.DELETE.KEZ_INBOX_0",
        "$JS.API.STREAM.CREATE.MINE",
        "$KV.bucket.key",
        "$SRV.PING",
        "$SYS.REQ.SERVER.PING",
        "$SYS.REQ.USER.INFO",
        "$SYS.REQ.ACCOUNT.PING.CONNZ",
        "$SYS.REQ.SERVER.x.KICK",
        subjects::CHAT_CONNECTED,
    ];
    all.extend(fixed.map(String::from));
    all.extend(wildcards(own));
    all.extend(wildcards(other));
    all
}

/// Reply subjects with wildcards, which are no subjects to answer to.
fn wildcards(person: &User) -> Vec<String> {
    let fixed =
        [">", "kez.>", "kez.inbox.>", "kez.inbox.*.*.*", "*.*.*.*.*", "kez.chat.inbox.*"].map(String::from);
    [vec![person.reply("*"), person.reply(">"), person.reply("x.*")], fixed.into()].concat()
}

/// One request of each kind, some that would fail; the first would store a message for `other`.
fn requests(own: &User, other: &User) -> Vec<(String, Value)> {
    let (a, b) = (&own.person.handle, &other.person.handle);
    vec![
        (subjects::client_send(a), json!({"to": b, "envelope": {}})),
        (subjects::client_send(a), json!({"to": "nobody", "envelope": {}})),
        (subjects::client_history(a), json!({"head": true})),
        (subjects::client_ack(a), json!({"through": 9})),
        (subjects::client_ack(a), json!({"through": -1})),
        (subjects::client_lookup(a), json!({"handle": a})),
        (subjects::client_lookup(a), json!({})),
    ]
}

#[tokio::test]
async fn what_is_to_be_answered_elsewhere_is_neither_done_nor_answered() {
    let deployment = Deployment::start_with(1, &["--limit-sender", "0"], &[]).await;
    let url = deployment.url(0);
    let (alice, bob) = (User::registered("alice", url).await, User::registered("bobby", url).await);
    let mut bystander = Bystander::of(&deployment, &bob).await;
    bystander.is_undisturbed("before").await;
    let before = State::of(&deployment).await;
    for way in WAYS {
        let mut client = Client::connect(&deployment, &alice, way).await;
        for (subject, request) in requests(&alice, &bob) {
            let request = request.to_string();
            for reply in RESERVED {
                let answer = client.tries(message(&subject, reply, "", request.as_bytes())).await;
                let refusal = format!("Permissions Violation for Publish with Reply of \"{reply}\"");
                assert_eq!(answer, [Word::Err(refusal)], "{subject} {way:?}");
            }
            for reply in elsewhere(&alice, &bob) {
                client.raw.say(message(&subject, &reply, "", request.as_bytes())).await;
            }
        }
        // Whoever has served these requests has seen all before.
        client.can_look_up(&bob).await;
        let page = client.asks(&subjects::client_history(&alice.person.handle), &json!({})).await;
        assert_eq!(page.json()["messages"], json!([]));
        assert_eq!(client.raw.settle().await, []);
        bystander.sees_nothing("answers elsewhere").await;
    }
    assert_eq!(bystander.dropped(), 0);
    bystander.is_undisturbed("after").await;
    State::of(&deployment).await.only_grew_by(&before, 3);
}

/// Whatever one client names for its answers, another's come.
#[tokio::test]
async fn a_wildcard_for_a_reply_cancels_nobodys_answer() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let (alice, bob) = (User::registered("alice", url).await, User::registered("bobby", url).await);
    let history = subjects::client_history(&bob.person.handle);
    let lookup = subjects::client_lookup(&alice.person.handle);
    let mut bobs = Client::connect(&deployment, &bob, WAYS[0]).await;
    for way in WAYS {
        let mut client = Client::connect(&deployment, &alice, way).await;
        for reply in wildcards(&bob) {
            for _ in 0..20 {
                let (mut his, mut hers) = (vec![], vec![]);
                for _ in 0..20 {
                    his.extend(message(&history, &bobs.next_reply(), "", b""));
                    hers.extend(message(&lookup, &reply, "", b"{}"));
                }
                bobs.raw.say(his).await;
                client.raw.say(hers).await;
                for n in 0..20 {
                    let what = format!("answer {n} while another client is answered at {reply}");
                    let answer = within(&what, bobs.raw.msg()).await;
                    assert_eq!(answer.sid, "replies", "{answer:?}");
                }
            }
        }
    }
}

/// nats-server takes any bytes for a reply subject but a space, a tab and a line's end. None of them ends a connection of those who serve.
#[tokio::test]
async fn bytes_that_are_no_subject_disturb_nobody() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let (alice, bob) = (User::registered("alice", url).await, User::registered("bobby", url).await);
    let mut bystander = Bystander::of(&deployment, &bob).await;
    let mut bobs = Client::connect(&deployment, &bob, WAYS[0]).await;
    let own = alice.reply("x");
    for way in WAYS {
        let mut client = Client::connect(&deployment, &alice, way).await;
        for bytes in [
            &b"\x0cy"[..],
            b"\x0by",
            b"\ry",
            b"\x00",
            b"\x1f",
            b"\x7f",
            b"\xff\xfe",
            "\u{85}\u{2003}".as_bytes(),
        ] {
            for (subject, request) in requests(&alice, &bob) {
                let line = [format!("PUB {subject} {own}").as_bytes(), bytes, b" "].concat();
                let body = request.to_string();
                let message = [&line[..], format!("{}\r\n{body}\r\n", body.len()).as_bytes()].concat();
                client.raw.say(message).await;
            }
            bobs.can_look_up(&alice).await;
            bobs.asks(&subjects::client_history(&bob.person.handle), &json!({})).await;
        }
        client.can_look_up(&bob).await;
    }
    bystander.is_undisturbed("after").await;
    for service in deployment.registries.iter().chain(&deployment.fanouts) {
        assert!(!service.log().contains("NATS is away"), "{}", service.log());
    }
}
