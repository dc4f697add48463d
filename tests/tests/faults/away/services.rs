//! The broker is there, a service behind it isn't: nobody listens, and that is told at once, not after a deadline.

use std::time::{Duration, Instant};

use kez_tests::{Deployment, Person, http};
use reqwest::Response;
use serde_json::json;

use super::probe::assert_unavailable;

/// Less than the deadline of a request that is waited for (1.9 s).
const AT_ONCE: Duration = Duration::from_millis(1500);

#[tokio::test]
async fn without_a_fanout_mail_is_refused_at_once() {
    let mut deployment = Deployment::start(1).await;
    let url = deployment.url(0).to_owned();
    let alice = Person::registered("alice", &url).await;
    deployment.fanouts[0].kill();
    let client = http::client();
    let send =
        || client.post(format!("{url}/v1/messages")).json(&json!({"to": "alice", "envelope": {}})).send();
    refused_at_once("send", send).await;
    let poll = || client.get(format!("{url}/v1/inbox/alice")).header("x-kez-auth", alice.poll_auth(0)).send();
    refused_at_once("inbox", poll).await;
    let stream = || {
        client.get(format!("{url}/v1/inbox/alice/stream")).header("x-kez-auth", alice.stream_auth()).send()
    };
    refused_at_once("stream", stream).await;
    // What doesn't need it works.
    assert_eq!(http::get(format!("{url}/v1/u/alice")).await.status(), 200);
    assert_eq!(Person::new("bob").register(&url).await.status(), 201);

    deployment.fanouts[0] = deployment.fanout();
    deployment.fanouts[0].ready().await;
    assert_eq!(send().await.unwrap().status(), 201);
}

#[tokio::test]
async fn without_a_registry_registrations_are_refused_at_once() {
    let mut deployment = Deployment::start(1).await;
    let url = deployment.url(0).to_owned();
    let alice = Person::registered("alice", &url).await;
    deployment.registries[0].kill();
    let bob = Person::new("bob").registration();
    let client = http::client();
    let register = || client.post(format!("{url}/v1/register")).json(&bob).send();
    refused_at_once("register", register).await;
    refused_at_once("lookup", || client.get(format!("{url}/v1/u/alice")).send()).await;
    let stranger = json!({"to": "stranger", "envelope": {}});
    let send = || client.post(format!("{url}/v1/messages")).json(&stranger).send();
    refused_at_once("send to somebody who isn't known", send).await;

    deployment.registries[0] = deployment.registry(0);
    deployment.registries[0].ready().await;
    assert_eq!(register().await.unwrap().status(), 201);
    assert_eq!(alice.looked_up(&url).await.primary, alice.identity.primary());
}

/// The fastest of several, since this machine may be busy with something else for a moment.
async fn refused_at_once<F: Future<Output = reqwest::Result<Response>>>(name: &str, request: impl Fn() -> F) {
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        let begun = Instant::now();
        let answer = request().await.unwrap();
        let took = begun.elapsed();
        assert_unavailable(name, answer, took).await;
        fastest = fastest.min(took);
    }
    assert!(fastest < AT_ONCE, "{name} took {fastest:?}");
}
