//! No auth callout runs.

use std::time::{Duration, Instant};

use async_nats::connection::State;
use futures_util::StreamExt;
use kez_client::Identity;
use kez_proto::{Code, subjects};
use kez_tests::{Deployment, Person, eventually, http, person::send, sse::Stream, within};
use serde_json::{Value, json};

use super::{
    logins::{ask, enter},
    session,
};

/// nats-server gives a login 2 s; a busy machine may take longer to tell.
const IN_TIME: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_callout_nobody_is_let_in_and_all_else_goes_on() {
    let mut deployment = Deployment::start(1).await;
    let url = deployment.url(0).to_owned();
    let (tcp, ws) = (deployment.nats.url(), deployment.nats.ws_url());
    let (alice, bob) = (Person::registered("alice", &url).await, Person::registered("bob", &url).await);
    let inside = enter(&alice, &tcp).await.unwrap();
    let mut pushes = inside.subscribe(subjects::inbox(&alice.handle)).await.unwrap();
    ask(&inside, &alice.handle).await;

    deployment.auth_callouts[0].kill();
    // One that keeps trying, from now on.
    let patient = bob.nats_options().retry_on_initial_connect().connect(&tcp).await.unwrap();
    for address in [&tcp, &ws, &tcp] {
        let begun = Instant::now();
        enter(&bob, address).await.expect_err("nobody could let him in");
        assert!(begun.elapsed() < IN_TIME, "{address} refused him after {:?}", begun.elapsed());
    }

    // Services don't need it to be on NATS, and who is in stays in.
    Person::registered("carol", &url).await;
    let (mut stream, _) = Stream::open(&url, &bob, "").await;
    for to in ["alice", "bob"] {
        assert_eq!(send(&url, to, json!({"to": to})).await.status(), 201);
    }
    let push = within("mail is pushed", pushes.next()).await.unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&push.payload).unwrap(), json!({"to": "alice"}));
    assert_eq!(stream.message().await.json()["envelope"], json!({"to": "bob"}));
    let sent =
        inside.request(subjects::client_send(&alice.handle), r#"{"to":"bob","envelope":{"n":2}}"#.into());
    let sent: Value =
        serde_json::from_slice(&within("a send is answered", sent).await.unwrap().payload).unwrap();
    assert_eq!(stream.message().await.seq(), sent["seq"].as_u64().unwrap());
    http::refused(session::begin(&url, &alice, &Identity::generate().unwrap(), 60).await, Code::Unavailable)
        .await;
    assert_ne!(patient.connection_state(), State::Connected, "somebody let him in");
    assert_eq!(inside.connection_state(), State::Connected);

    deployment.auth_callouts[0] = deployment.auth_callout();
    deployment.auth_callouts[0].ready().await;
    eventually("who keeps trying is let in", async || {
        (patient.connection_state() == State::Connected).then_some(())
    })
    .await;
    ask(&patient, &bob.handle).await;
    for address in [&tcp, &ws] {
        enter(&bob, address).await.unwrap();
    }
}
