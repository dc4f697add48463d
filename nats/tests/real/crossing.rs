//! What crosses from the services' account to the users' account, tried with users that the auth callout will admit one day.

use async_nats::{
    RequestErrorKind,
    jetstream::{self, stream},
};
use futures_util::StreamExt;
use kez_proto::{
    headers, partition,
    subjects::{self, Role},
};
use nkeys::KeyPair;
use tokio::time::timeout;

use crate::support::{DEADLINE, FORBIDDEN, Server, User};

/// A server that also knows a user of `CHAT`, and one of `KEZ` who may do all.
async fn start() -> (Server, User, User) {
    let (person, helper) = (KeyPair::new_user(), KeyPair::new_user());
    let user = |key: &KeyPair| {
        format!("{{ nkey: {}, permissions {{ publish {{ deny: {FORBIDDEN:?} }} }} }}", key.public_key())
    };
    let server = Server::start_with(|conf| {
        let conf = conf.replace("  CHAT {\n", &format!("  CHAT {{\n    users: [ {} ]\n", user(&person)));
        let services = "jetstream: enabled\n    users: [\n";
        conf.replace(services, &format!("{services}{}\n", user(&helper)))
    });
    let server = server.await;
    let person = server.user(&person.seed().unwrap(), "kez.inbox.person").await;
    let helper = server.user(&helper.seed().unwrap(), "_INBOX").await;
    (server, person, helper)
}

#[tokio::test]
async fn a_user_gets_pushes_and_answers_and_reaches_no_store() {
    let (server, person, helper) = start().await;
    let (person, helper) = (person.client, helper.client);
    let fanout = server.role(Role::Fanout).await.client;

    let alice = "alice".parse().unwrap();
    let p = partition::of(&alice, 16);
    let stream = stream::Config {
        name: subjects::inbox_stream(p),
        subjects: vec![subjects::store_of_partition(p)],
        republish: Some(stream::Republish {
            source: subjects::store_of_partition(p),
            destination: subjects::INBOX_FROM_STORE.into(),
            headers_only: false,
        }),
        ..Default::default()
    };
    let jetstream = jetstream::new(fanout);
    jetstream.create_stream(stream).await.unwrap();

    let mut requests = helper.subscribe("kez.chat.send.*").await.unwrap();
    let answering = async {
        let request = requests.next().await.unwrap();
        helper.publish(request.reply.unwrap(), request.subject.to_string().into()).await.unwrap();
    };
    let mut inbox = person.subscribe(subjects::inbox(&alice)).await.unwrap();
    // A request that reaches the helper also shows that the server knows both subscriptions.
    let asking = async {
        loop {
            match person.request("kez.chat.send.alice", "".into()).await {
                Err(e) if e.kind() == RequestErrorKind::NoResponders => {}
                answer => return answer.unwrap(),
            }
        }
    };
    let ((), answer) = timeout(DEADLINE, async { tokio::join!(answering, asking) }).await.unwrap();
    assert_eq!(answer.payload, "kez.chat.send.alice");

    let stored =
        jetstream.publish(subjects::store(&alice, 16), "sealed".into()).await.unwrap().await.unwrap();
    let push = timeout(DEADLINE, inbox.next()).await.unwrap().unwrap();
    assert_eq!((push.subject.as_str(), &push.payload[..]), ("kez.chat.inbox.alice", &b"sealed"[..]));
    let sequence = push.headers.unwrap().get_last(headers::NATS_SEQUENCE).unwrap().to_string();
    assert_eq!(sequence, stored.sequence.to_string());

    let forged = person.request(subjects::store(&alice, 16), "forged".into()).await.unwrap_err();
    assert_eq!(forged.kind(), RequestErrorKind::NoResponders, "nobody hears it");
}

#[tokio::test]
async fn users_have_bounds_and_services_have_wider_ones() {
    let (_server, mut person, mut helper) = start().await;
    let mut kept = Vec::new();
    for (user, bound) in [(&mut helper, 100), (&mut person, 16)] {
        for n in 0..bound {
            kept.push(user.client.subscribe(format!("some.{n}")).await.unwrap());
        }
        assert_eq!(user.refusals().await, [""; 0]);
    }
    assert!(!person.may_subscribe("one.more").await);

    for (user, bytes) in [(&mut helper, 1024 * 1024), (&mut person, 300 * 1024)] {
        user.client.publish("some", vec![0; bytes].into()).await.unwrap();
        assert_eq!(user.refusals().await, [""; 0]);
    }
    person.client.publish("some", vec![0; 300 * 1024 + 1].into()).await.unwrap();
    assert_eq!(person.refusal().await.to_lowercase(), "maximum payload violation");
}
