//! Who may send, and how much: with a session token, over NATS, or without a name.

use futures_util::StreamExt;
use kez_proto::{Code, headers::KEZ_SESSION};
use kez_tests::{
    Deployment, Person,
    http::{client, refused},
    person::send,
    session::{Session, claims, token_key},
    within,
};
use reqwest::Response;
use serde_json::{Value, json};

use super::clients::{live, sends};

fn to_alice(id: impl Into<Value>) -> Value {
    json!({"to": "alice", "envelope": {"id": id.into()}})
}

async fn bearing(url: &str, token: &str, body: &Value) -> Response {
    client().post(format!("{url}/v1/messages")).bearer_auth(token).json(body).send().await.unwrap()
}

#[tokio::test]
async fn where_a_sender_is_required_only_the_servers_own_people_send() {
    let deployment = Deployment::start_with(1, &["--require-sender"], &[]).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let bobby = Person::registered("bobby", url).await;
    let session = Session::begin(&bobby, url).await;
    let nats = bobby.connect_nats(&deployment.nats.url()).await;

    refused(send(url, "alice", json!({"id": 0})).await, Code::SenderRequired).await;
    // Who somebody is isn't for them to say.
    let named = client().post(format!("{url}/v1/messages")).header(KEZ_SESSION, &session.granted.token);
    refused(named.json(&to_alice(0)).send().await.unwrap(), Code::SenderRequired).await;
    assert_eq!(alice.mail(url).await, []);

    assert_eq!(bearing(url, &session.granted.token, &to_alice(1)).await.status(), 201);
    sends(&nats, &bobby, to_alice(2)).await.unwrap();
    assert_eq!(alice.mail(url).await.len(), 2);
}

#[tokio::test]
async fn a_sender_has_one_limit_whatever_the_door() {
    let deployment = Deployment::start_with(1, &["--limit-sender", "4"], &[]).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let bobby = Person::registered("bobby", url).await;
    let (first, second) = (Session::begin(&bobby, url).await, Session::begin(&bobby, url).await);
    let others = Session::begin(&alice, url).await;
    let nats = bobby.connect_nats(&deployment.nats.url()).await;

    assert_eq!(bearing(url, &first.granted.token, &to_alice(1)).await.status(), 201);
    sends(&nats, &bobby, to_alice(2)).await.unwrap();
    // An attempt counts, too.
    refused(bearing(url, &second.granted.token, &json!({})).await, Code::MalformedJson).await;
    sends(&nats, &bobby, to_alice(4)).await.unwrap();

    let over_nats = sends(&nats, &bobby, to_alice(5)).await.unwrap_err();
    let over_http = refused(bearing(url, &first.granted.token, &to_alice(5)).await, Code::RateLimited).await;
    assert_eq!((over_nats.code, &over_nats.detail), (Code::RateLimited, &over_http.detail));
    for wait in [over_nats.retry_after, over_http.retry_after] {
        // One in fifteen seconds comes free.
        assert!(wait.is_some_and(|seconds| (1..=16).contains(&seconds)), "{wait:?}");
    }
    refused(bearing(url, &second.granted.token, &to_alice(5)).await, Code::RateLimited).await;

    assert_eq!(bearing(url, &others.granted.token, &to_alice(6)).await.status(), 201);
    assert_eq!(send(url, "alice", json!({"id": 7})).await.status(), 201);
    let ids: Vec<_> = alice.mail(url).await.into_iter().map(|(_, envelope)| envelope["id"].clone()).collect();
    assert_eq!(ids, [1, 2, 4, 6, 7].map(Value::from));
}

#[tokio::test]
async fn a_token_that_is_not_good_is_never_nobody() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let session = Session::begin(&alice, url).await;
    let (good, key) = (&session.granted.token, token_key(&deployment.nats, 1));
    let stranger = key.sign(&claims(&Person::new("stranger"), &session.key)).unwrap();
    for (token, code) in [
        ("", Code::InvalidToken),
        (&good[..good.len() - 1], Code::InvalidToken),
        (&*stranger, Code::UnknownPrimary),
    ] {
        refused(bearing(url, token, &to_alice(1)).await, code).await;
    }
    assert_eq!(alice.mail(url).await, []);
}

#[tokio::test]
async fn nothing_keeps_the_senders_name() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let bobby = Person::registered("bobby", url).await;
    let session = Session::begin(&bobby, url).await;
    let nats = bobby.connect_nats(&deployment.nats.url()).await;
    let reader = alice.connect_nats(&deployment.nats.url()).await;
    let mut pushes = live(&reader, &alice).await;
    bearing(url, &session.granted.token, &to_alice(1)).await;
    sends(&nats, &bobby, to_alice(2)).await.unwrap();
    // A refusal is an event like any other.
    sends(&nats, &bobby, json!({"to": "nobody", "envelope": {}})).await.unwrap_err();

    let secrets =
        ["bobby".to_owned(), bobby.identity.primary().hex(), bobby.nkey.public_key(), session.granted.token];
    for _ in 0..2 {
        let push = within("a push", pushes.next()).await.unwrap();
        let all = format!("{:?} {:?}", push.headers, push.payload);
        assert!(secrets.iter().all(|secret| !all.contains(secret)), "{all}");
    }
    for fanout in &deployment.fanouts {
        let log = fanout.log();
        assert!(log.contains("ready") && secrets.iter().all(|secret| !log.contains(secret)), "{log}");
    }
}
