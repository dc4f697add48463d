//! A retry is told from a new message.

use kez_tests::{Deployment, Person, eventually};
use serde_json::{Value, json};

use super::post_envelope;

async fn sent(url: &str, to: &str, envelope: &str) -> Value {
    let answer = post_envelope(url, to, envelope).await;
    assert_eq!(answer.status(), 201);
    answer.json().await.unwrap()
}

#[tokio::test]
async fn the_same_envelope_to_the_same_recipient_is_one_message() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    // All in one store, whose memory of message ids is one for all its inboxes.
    let same_store = (0..)
        .map(|n| format!("other-{n}"))
        .find(|name| kez_proto::partition::of(&name.parse().unwrap(), 16) == 15)
        .unwrap();
    let other = Person::registered(&same_store, url).await;

    let first = sent(url, "alice", r#"{"id":1}"#).await;
    let created_at = first["created_at"].clone();
    assert_eq!(first.get("duplicate"), None);
    // Later than the first one, so that its time can be told from this one's.
    eventually("another second", async || (json!(kez_tests::person::now()) != created_at).then_some(()))
        .await;
    let again = sent(url, "alice", r#"{"id":1}"#).await;
    assert_eq!(again, json!({"seq": first["seq"], "created_at": created_at, "duplicate": true}));

    for (to, envelope) in
        [(same_store.as_str(), r#"{"id":1}"#), ("alice", r#"{"id":2}"#), ("alice", r#"{"id": 1}"#)]
    {
        let new = sent(url, to, envelope).await;
        assert_eq!(new.get("duplicate"), None, "{to} {envelope}");
        assert!(new["seq"].as_u64() > first["seq"].as_u64());
    }
    assert_eq!(alice.mail(url).await.len(), 3);
    assert_eq!(other.mail(url).await.len(), 1);
}

#[tokio::test]
async fn many_retries_at_once_are_one_message() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let answers = futures_util::future::join_all((0..20).map(|_| sent(url, "alice", r#"{"id":1}"#))).await;
    assert_eq!(answers.iter().filter(|answer| answer["duplicate"] != true).count(), 1);
    assert!(answers.iter().all(|answer| answer["seq"] == answers[0]["seq"]));
    assert_eq!(alice.mail(url).await.len(), 1);
}

#[tokio::test]
async fn without_a_window_every_copy_is_a_message() {
    let deployment = Deployment::start_with(1, &["--duplicate-window", "0"], &[]).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    for _ in 0..5 {
        assert_eq!(sent(url, "alice", "{}").await.get("duplicate"), None);
    }
    assert_eq!(alice.mail(url).await.len(), 5);
}
