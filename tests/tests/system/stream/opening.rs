//! Who is let in, and what a stream begins with.

use kez_proto::{Code, auth};
use kez_tests::{
    Deployment, Person,
    http::{client, get, header},
    person::now,
    sse::{Stream, stream_refused, stream_request},
    within,
};
use serde_json::{Value, json};

#[tokio::test]
async fn the_head_of_a_stream_and_its_first_word() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let (stream, ready) = Stream::open(url, &alice, "").await;
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-cache, no-transform"),
        ("x-accel-buffering", "no"),
        ("access-control-allow-origin", "*"),
    ] {
        assert_eq!(header(&stream.response, name), value);
    }
    let server: Value = get(format!("{url}/v1/server")).await.json().await.unwrap();
    assert_eq!(ready.json(), json!({"cursor": 0, "epoch": server["epoch"]}));
    assert_eq!(ready.id, "");
    assert!((1000..3000).contains(&ready.retry.parse().unwrap()), "{ready:?}");
}

#[tokio::test]
async fn only_the_owner_is_let_in() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let mallory = Person::registered("mallory", url).await;
    let address = format!("{url}/v1/inbox/alice/stream");
    let by_query = |auth: &str| client().get(format!("{address}?auth={auth}"));
    let by_header = |auth: &str| client().get(&address).header("x-kez-auth", auth);
    let at = |by: i64| alice.sign(now().unix() + by, |ts| auth::stream_text(&alice.handle, ts));

    stream_refused(client().get(&address), Code::AuthRequired).await;
    let by_mallory = mallory.sign(now().unix(), |ts| auth::stream_text(&alice.handle, ts));
    for (auth, code) in [
        (String::new(), Code::MalformedAuth),
        ("bad".into(), Code::MalformedAuth),
        (alice.stream_auth().to_uppercase(), Code::MalformedAuth),
        (at(-61), Code::StaleTimestamp),
        (at(90), Code::StaleTimestamp),
        (by_mallory, Code::BadSignature),
        (mallory.stream_auth(), Code::BadSignature),
        (alice.poll_auth(0), Code::BadSignature),
        (alice.request_auth("GET", "/v1/inbox/alice/stream"), Code::BadSignature),
    ] {
        stream_refused(by_query(&auth), code).await;
        stream_refused(by_header(&auth), code).await;
    }
    stream_refused(stream_request(url, &Person::new("nobody"), ""), Code::UnknownHandle).await;
    stream_refused(
        client().get(address.replace("alice", "Alice")).header("x-kez-auth", alice.stream_auth()),
        Code::InvalidHandle,
    )
    .await;

    for request in [
        by_query(&alice.stream_auth()),
        by_query(&alice.stream_auth().replace(':', "%3A")),
        by_header(&alice.stream_auth()),
        by_header(&at(-30)),
    ] {
        assert_eq!(Stream::of(request).await.next().await.kind, "ready");
    }
}

#[tokio::test]
async fn an_idle_stream_says_that_it_is_alive() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let (mut stream, _) = Stream::open(url, &alice, "").await;
    let ping = within("a ping comes", stream.next()).await;
    assert_eq!((ping.kind.as_str(), ping.data.as_str(), ping.id.as_str()), ("ping", "{}", ""));
}
