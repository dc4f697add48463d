//! The client library over NATS, as programs use it.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use kez_client::{
    Client, Cursor, Error, Event, Identity,
    nats::{self, Connection, Credential, Mail, Nats},
};
use kez_proto::{Code, Handle, mail::ClientHistory, sse::ResyncReason};
use kez_tests::{Deployment, Person, SERVER, eventually, person::send, within};
use serde_json::{json, value::RawValue};

use super::nats::kick;

/// Somebody with a key, who uses the library.
async fn somebody(handle: &str, url: &str) -> (Arc<Identity>, Handle) {
    let person = Person::registered(handle, url).await;
    (Arc::new(person.identity), person.handle)
}

fn nats_of(url: &str, credential: Credential, handle: &Handle) -> Nats {
    Nats::new(url, SERVER.parse().unwrap(), handle.clone(), credential).unwrap()
}

/// Any will do: nobody on the way looks inside.
fn any(text: &str) -> Box<RawValue> {
    serde_json::value::to_raw_value(&json!({ "text": text })).unwrap()
}

async fn connect(nats: &Nats) -> Connection {
    within("it connects", nats.connect()).await.unwrap()
}

/// Leaves so many messages, each until it is taken: where the machine is busy, a server may be unavailable, and the same envelope again is the same message.
async fn leave(url: &str, to: &str, count: u32) {
    for n in 0..count {
        let envelope = json!({"n": n, "at": format!("{:?}", std::time::Instant::now())});
        let taken = async || send(url, to, envelope.clone()).await.status().is_success().then_some(());
        eventually("a message is taken", taken).await;
    }
}

async fn event(mail: &mut Mail) -> Event {
    within("something happens", mail.next()).await.expect("it ended").unwrap()
}

async fn seqs(mail: &mut Mail, count: usize) -> Vec<u64> {
    let mut seqs = vec![];
    while seqs.len() < count {
        if let Event::Message(message) = event(mail).await {
            seqs.push(message.seq);
        }
    }
    seqs
}

#[tokio::test]
async fn requests_have_typed_answers() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let (alice, handle) = somebody("alice", url).await;
    let (bob, bobs) = somebody("bobby", url).await;
    let alice = connect(&nats_of(&deployment.nats.url(), Credential::Key(alice), &handle)).await;
    let nats = nats_of(&deployment.nats.ws_url(), Credential::Key(bob.clone()), &bobs);
    let bob_there = connect(&nats).await;

    let envelope = any("hello");
    let sent = alice.send(&bobs, &envelope).await.unwrap();
    assert_eq!((sent.seq, sent.duplicate), (1, false));
    let again = alice.send(&bobs, &envelope).await.unwrap();
    assert_eq!((again.seq, again.duplicate, again.created_at), (1, true, sent.created_at));

    let page = bob_there.history(&ClientHistory { since: 0, limit: None, head: true }).await.unwrap();
    assert_eq!((page.messages.len(), page.next, page.head), (1, None, Some(1)));
    assert_eq!(page.messages[0].envelope.get(), envelope.get());
    assert_eq!(bob_there.lookup(&handle).await.unwrap().handle, handle);
    assert_eq!(alice.by_primary(&bob.primary()).await.unwrap().handle, bobs);
    let refusal = alice.lookup(&"nobody".parse().unwrap()).await.unwrap_err();
    assert_eq!(refusal.code(), Some(Code::UnknownHandle));
    let long = any(&"x".repeat(400 * 1024));
    assert_eq!(alice.send(&bobs, &long).await.unwrap_err().code(), Some(Code::TooLarge));
    assert_eq!(bob_there.ack(1).await.unwrap().purged, 1);
    let page = bob_there.history(&ClientHistory { since: 0, limit: None, head: true }).await.unwrap();
    assert_eq!((page.messages.len(), page.head), (0, Some(0)));
}

/// A cluster's servers are tried in any order, and one that is there is enough.
#[tokio::test]
async fn addresses_where_nobody_is_are_passed_over() {
    let deployment = Deployment::start(1).await;
    let (alice, handle) = somebody("alice", deployment.url(0)).await;
    let away = "nats://127.0.0.1:1,ws://127.0.0.1:2,nats://127.0.0.1:3";
    let nats = nats_of(&format!("{away},{}", deployment.nats.url()), Credential::Key(alice), &handle);
    for _ in 0..8 {
        connect(&nats).await;
    }
}

/// Nothing waits for a later connection, and nothing hangs.
#[tokio::test]
async fn a_request_without_a_connection_or_a_service_fails() {
    let mut deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let (alice, handle) = somebody("alice", url).await;
    let connection = connect(&nats_of(&deployment.nats.url(), Credential::Key(alice), &handle)).await;
    let envelope = any("hello");
    connection.send(&handle, &envelope).await.unwrap();

    deployment.fanouts.clear();
    let other = any("other");
    let away = eventually("nobody answers", async || connection.send(&handle, &other).await.err()).await;
    assert!(away.is_transient(), "{away}");

    deployment.nats.kill();
    let gone = eventually("the connection is known to be gone", async || {
        connection.send(&handle, &other).await.err().filter(|e| matches!(e, Error::Transport { .. }))
    })
    .await;
    assert!(gone.to_string().contains(&deployment.nats.url()), "{gone}");
    let at_once = tokio::time::timeout(Duration::from_secs(1), connection.send(&handle, &other));
    assert!(matches!(at_once.await, Ok(Err(Error::Transport { .. }))));

    deployment.nats.restart().await;
    let mut fanout = deployment.fanout();
    fanout.ready().await;
    let still = connection.send(&handle, &other).await.unwrap_err();
    assert!(matches!(still, Error::Transport { .. }), "it came back by itself: {still}");
}

#[tokio::test]
async fn a_session_opens_nats_and_is_renewed() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let (alice, handle) = somebody("alice", url).await;
    let (client, server) = (Client::new(url).unwrap(), SERVER.parse().unwrap());
    let session = client.begin_session(&alice, &server, Duration::from_secs(3600)).await.unwrap();
    assert_eq!((session.primary(), session.handle()), (alice.primary(), handle.clone()));
    let first = session.token();
    let session = Arc::new(session);
    let nats = nats_of(&deployment.nats.ws_url(), Credential::Session(session.clone()), &handle);
    let envelope = any("hello");
    assert_eq!(connect(&nats).await.send(&handle, &envelope).await.unwrap().seq, 1);

    // Within the same second it would be the same token.
    eventually("a newer token", async || {
        client.renew_session(&server, &session).await.unwrap();
        (session.token() != first).then_some(())
    })
    .await;
    assert_eq!(connect(&nats).await.lookup(&handle).await.unwrap().primary, alice.primary());
    let too_long = client.begin_session(&alice, &server, Duration::from_secs(48 * 3600)).await.unwrap_err();
    assert_eq!(too_long.code(), Some(Code::InvalidLifetime));
    let stranger = Identity::generate().unwrap();
    let unknown = client.begin_session(&stranger, &server, Duration::from_secs(60)).await.unwrap_err();
    assert_eq!(unknown.code(), Some(Code::UnknownPrimary));
}

/// What waits for a reader who doesn't read is bounded; what was dropped is read later.
#[tokio::test]
async fn a_slow_reader_misses_nothing() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let (bob, handle) = somebody("bobby", url).await;
    let mut mail =
        nats::listen(nats_of(&deployment.nats.url(), Credential::Key(bob), &handle), Cursor::default());
    assert!(matches!(event(&mut mail).await, Event::Connected { seq: 0, .. }));
    leave(url, "bobby", 1).await;
    assert_eq!(seqs(&mut mail, 1).await, [1]);
    leave(url, "bobby", 300).await;
    assert_eq!(seqs(&mut mail, 300).await, (2..=301).collect::<Vec<_>>());
    leave(url, "bobby", 1).await;
    assert_eq!(seqs(&mut mail, 1).await, [302]);
    assert_eq!(mail.dropped(), 0);
}

#[tokio::test]
async fn a_cursor_of_another_epoch_starts_over() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let (bob, handle) = somebody("bobby", url).await;
    leave(url, "bobby", 3).await;
    let nats = nats_of(&deployment.nats.url(), Credential::Key(bob), &handle);
    let mut mail = nats::listen(nats.clone(), Cursor { epoch: Some("another".into()), seq: 2 });
    assert!(matches!(event(&mut mail).await, Event::Connected { seq: 0, .. }));
    let Event::Resync { reason: ResyncReason::Cursor, epoch, seq: 0 } = event(&mut mail).await else {
        panic!("it didn't start over")
    };
    assert_eq!(seqs(&mut mail, 3).await, [1, 2, 3]);
    // A place that this store never had.
    let mut mail = nats::listen(nats, Cursor { epoch: Some(epoch), seq: 1000 });
    assert!(matches!(event(&mut mail).await, Event::Connected { seq: 1000, .. }));
    assert!(matches!(event(&mut mail).await, Event::Resync { seq: 0, .. }));
    assert_eq!(seqs(&mut mail, 3).await, [1, 2, 3]);
}

async fn disconnected(mail: &mut Mail, words: &str) {
    loop {
        match event(mail).await {
            Event::Disconnected { reason, .. } if reason.contains(words) => return,
            Event::Disconnected { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

/// NATS refuses a login in the same words, whether it is denied or nobody decides about it; and who was let in before may be let in again.
#[tokio::test]
async fn a_login_that_is_refused_later_is_tried_again() {
    let mut deployment = Deployment::start(1).await;
    let url = deployment.url(0).to_owned();
    deployment.auth_callouts.clear();
    deployment.auth_callout_arguments = ["--nats-connections", "1"].map(String::from).to_vec();
    let mut callout = deployment.auth_callout();
    callout.ready().await;
    let (bob, handle) = somebody("bobby", &url).await;
    let nats = nats_of(&deployment.nats.url(), Credential::Key(bob), &handle);
    let mut mail = nats::listen(nats.clone(), Cursor::default());
    assert!(matches!(event(&mut mail).await, Event::Connected { .. }));

    leave(&url, "bobby", 1).await;
    assert_eq!(seqs(&mut mail, 1).await, [1]);
    assert_eq!(kick(&deployment.nats).await, 1);
    let other = eventually("the one connection that there may be", async || nats.connect().await.ok()).await;
    leave(&url, "bobby", 1).await;
    disconnected(&mut mail, "doesn't let this key in").await;
    drop(other);
    assert_eq!(seqs(&mut mail, 1).await, [2]);

    drop(callout);
    assert_eq!(kick(&deployment.nats).await, 1);
    leave(&url, "bobby", 1).await;
    disconnected(&mut mail, "didn't decide in time").await;
    let mut callout = deployment.auth_callout();
    callout.ready().await;
    assert_eq!(seqs(&mut mail, 1).await, [3]);
}

/// The shortest login that there is lasts a minute, and so does this test.
#[tokio::test]
async fn a_login_that_ends_is_followed_by_another() {
    let mut deployment = Deployment::start(1).await;
    let url = deployment.url(0).to_owned();
    deployment.auth_callouts.clear();
    deployment.auth_callout_arguments = ["--nats-login-minutes", "1"].map(String::from).to_vec();
    let mut callout = deployment.auth_callout();
    callout.ready().await;
    let (bob, handle) = somebody("bobby", &url).await;
    let mut mail =
        nats::listen(nats_of(&deployment.nats.url(), Credential::Key(bob), &handle), Cursor::default());
    assert!(matches!(event(&mut mail).await, Event::Connected { .. }));
    let mut sent = 0;
    let mut had = vec![];
    let mut take = |event| match event {
        Event::Message(message) => {
            had.push(message.seq);
            None
        }
        Event::Disconnected { reason, .. } => Some(reason),
        _ => None,
    };
    // Two deadlines: the login may last as long as one of them.
    let ends = async {
        loop {
            tokio::select! {
                next = mail.next() => if let Some(reason) = take(next.unwrap().unwrap()) { return reason },
                () = tokio::time::sleep(Duration::from_millis(500)) => {
                    leave(&url, "bobby", 1).await;
                    sent += 1;
                }
            }
        }
    };
    let reason = tokio::time::timeout(Duration::from_secs(180), ends).await.expect("the login ends");
    assert!(reason.contains("limited time"), "{reason}");
    leave(&url, "bobby", 5).await;
    sent += 5;
    had.extend(seqs(&mut mail, sent - had.len()).await);
    assert_eq!(had, (1..=sent as u64).collect::<Vec<_>>());
}
