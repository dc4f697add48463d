//! A key is replaced while a service that must hear of it is away.

use std::time::Duration;

use async_nats::connection::State;
use kez_proto::Code;
use kez_tests::{
    Deployment, Person, eventually, http,
    http::refused,
    person::send,
    sse::Stream,
    within,
    writer::{Writer, add, fresh_key},
};
use serde_json::json;
use tokio::time::sleep;

/// A callout that was started again knows no connection's key; their age tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_keys_connection_ends_although_the_callout_was_started_again() {
    let mut deployment = Deployment::start(1).await;
    deployment.add_sigchain().await;
    let url = deployment.url(0).to_owned();
    let old = Person::registered("alice", &url).await;
    let inside = old.connect_nats(&deployment.nats.url()).await;
    deployment.auth_callouts[0].terminate().await;
    deployment.auth_callouts[0] = deployment.auth_callout();
    deployment.auth_callouts[0].ready().await;
    // Clocks may be apart by less than this.
    sleep(Duration::from_secs(4)).await;
    assert_eq!(inside.connection_state(), State::Connected);
    let mut writer = Writer::of(&old);
    writer.append(&url, &add("github:alice")).await;
    writer.append_signed(&url, &writer.rotation(&fresh_key())).await;
    eventually("the old key's connection is ended", async || {
        (inside.connection_state() != State::Connected).then_some(())
    })
    .await;
}

/// Longer than anybody is told of a change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_keys_stream_ends_although_no_fanout_was_there_to_ask() {
    let mut deployment = Deployment::start(1).await;
    deployment.add_sigchain().await;
    let url = deployment.url(0).to_owned();
    let old = Person::registered("alice", &url).await;
    let (mut stream, _) = Stream::open(&url, &old, "").await;
    deployment.fanouts[0].terminate().await;
    let mut writer = Writer::of(&old);
    writer.append(&url, &add("github:alice")).await;
    writer.append_signed(&url, &writer.rotation(&fresh_key())).await;
    sleep(Duration::from_secs(40)).await;
    deployment.fanouts[0] = deployment.fanout();
    deployment.fanouts[0].ready().await;
    assert_eq!(send(&url, "alice", json!({"n": 1})).await.status(), 201);
    let rest = async {
        let mut mail = 0;
        while let Ok(Some(event)) = stream.read().await {
            mail += usize::from(event.kind == "message");
        }
        mail
    };
    assert_eq!(within("the old key's stream is ended", rest).await, 0);
    let again =
        http::client().get(format!("{url}/v1/inbox/alice?since=0")).header("x-kez-auth", old.poll_auth(0));
    refused(again.send().await.unwrap(), Code::BadSignature).await;
}
