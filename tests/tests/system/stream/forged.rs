//! What isn't mail doesn't pass for it, and a message is what the store says of it.

use async_nats::HeaderMap;
use futures_util::StreamExt;
use kez_proto::{
    headers::{CREATED_AT, NATS_LAST_SEQUENCE, NATS_SEQUENCE, NATS_SUBJECT},
    limits::PARTITIONS,
    partition,
    subjects::{self, Role},
};
use kez_tests::{
    Deployment, Person,
    person::{now, send},
    sse::Stream,
    within,
};
use serde_json::json;

#[tokio::test]
async fn the_server_headers_count_and_not_the_publisher_s() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let (mut live, _) = Stream::open(url, &alice, "").await;
    send(url, "alice", json!({"id": "before"})).await;
    let before = live.message().await.seq();

    let fanout = deployment.nats.connect_as(Role::Fanout).await;
    let mut forged = HeaderMap::new();
    forged.insert(CREATED_AT, now().to_string());
    forged.insert(NATS_SEQUENCE, "99999");
    forged.insert(NATS_LAST_SEQUENCE, "99998");
    forged.insert(NATS_SUBJECT, "kez.store.inbox.0.mallory");
    let store = subjects::store(&alice.handle, PARTITIONS);
    fanout.request_with_headers(store, forged, r#"{"id":"forged"}"#.into()).await.unwrap();
    send(url, "alice", json!({"id": "behind"})).await;

    let mail = alice.mail(url).await;
    let seqs: Vec<u64> = mail.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, [before, before + 1, before + 2]);
    assert_eq!(live.seqs(2).await, seqs[1..]);
    let (mut resumed, _) = Stream::open(url, &alice, &format!("&since={before}")).await;
    assert_eq!(resumed.seqs(2).await, seqs[1..]);
}

/// A requester chooses where the answer goes, and may choose somebody's inbox: a record, or a message of somebody else's.
#[tokio::test]
async fn an_answer_that_goes_to_an_inbox_is_no_mail() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let (mut live, _) = Stream::open(url, &alice, "").await;

    let mallory = Person::registered("mallory", url).await;
    for id in 0..9 {
        send(url, "mallory", json!({"id": id})).await;
    }

    let inbox = subjects::inbox(&alice.handle);
    let gateway = deployment.nats.connect_as(Role::Gateway).await;
    let mut seen = gateway.subscribe(inbox.clone()).await.unwrap();
    gateway
        .publish_with_reply(subjects::REGISTRY_LOOKUP, inbox.clone(), r#"{"handle":"alice"}"#.into())
        .await
        .unwrap();
    let record = within("an answer comes to the inbox", seen.next()).await.unwrap();
    assert!(record.payload.starts_with(br#"{"handle":"alice""#));

    let fanout = deployment.nats.connect_as(Role::Fanout).await;
    let store = subjects::store(&mallory.handle, PARTITIONS);
    let read = subjects::direct_get(&subjects::inbox_stream(partition::of(&mallory.handle, PARTITIONS)));
    let newest = json!({"seq": 9, "batch": 1, "next_by_subj": store}).to_string();
    fanout.publish_with_reply(read, inbox, newest.into()).await.unwrap();
    let message = within("another comes", seen.next()).await.unwrap();
    assert_eq!(message.headers.unwrap().get_last(NATS_SUBJECT).unwrap().as_str(), store);

    send(url, "alice", json!({"id": "mail"})).await;
    assert_eq!(live.message().await.json()["envelope"]["id"], "mail");
}
