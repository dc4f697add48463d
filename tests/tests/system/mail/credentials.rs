//! Who may read an inbox, and who not.

use kez_proto::{Code, auth};
use kez_tests::{
    Deployment, Person,
    http::{client, get, refused},
    person::{now, send},
};
use reqwest::RequestBuilder;
use serde_json::json;

#[tokio::test]
async fn only_the_owner_reads_and_only_what_was_signed() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let mallory = Person::registered("mallory", url).await;
    send(url, "alice", json!({"id": 1})).await;
    let inbox = format!("{url}/v1/inbox/alice");
    let with = |auth: &str| client().get(&inbox).header("x-kez-auth", auth);
    let refuse =
        async |request: RequestBuilder, code| drop(refused(request.send().await.unwrap(), code).await);
    let later = |by: i64| alice.sign(now().unix() + by, |ts| auth::poll_text(&alice.handle, 0, ts));

    refused(get(&inbox).await, Code::AuthRequired).await;
    let right = alice.poll_auth(0);
    let (ts, sig) = right.split_once(':').unwrap();
    for malformed in [
        "",
        "bad",
        ":",
        ts,
        &format!("{ts}:"),
        &format!(":{sig}"),
        &format!("{ts}:{}", &sig[1..]),
        &format!("{ts}:{sig}0"),
        &format!("{ts}:{}", sig.to_uppercase()),
        &format!("0{right}"),
        &format!("+{right}"),
        &format!("{ts}.0:{sig}"),
        &format!("{ts} :{sig}"),
        &format!("{ts}:{}", "g".repeat(128)),
        &format!("99999999999999999999:{sig}"),
    ] {
        refuse(with(malformed), Code::MalformedAuth).await;
    }
    refuse(client().get(&inbox).header("x-kez-auth", &b"\xff\xfe"[..]), Code::MalformedAuth).await;
    for stale in [
        later(-61),
        later(-3600),
        later(90),
        later(3600),
        format!("{}:{sig}", i64::MIN),
        format!("{}:{sig}", i64::MAX),
    ] {
        refuse(with(&stale), Code::StaleTimestamp).await;
    }

    let by_mallory = mallory.sign(now().unix(), |ts| auth::poll_text(&alice.handle, 0, ts));
    let for_a_stream = alice.stream_auth();
    let for_a_purge = alice.request_auth("DELETE", "/v1/inbox/alice");
    let in_the_other_form = alice.request_auth("GET", "/v1/inbox/alice");
    let of_another_second = format!("{}:{sig}", now().unix() - 30);
    for foreign in [
        by_mallory,
        mallory.poll_auth(0),
        for_a_stream,
        for_a_purge,
        in_the_other_form,
        of_another_second,
        alice.poll_auth(1),
    ] {
        refuse(with(&foreign), Code::BadSignature).await;
    }
    refuse(
        client().get(format!("{inbox}?since=1")).header("x-kez-auth", alice.poll_auth(0)),
        Code::BadSignature,
    )
    .await;
    refuse(
        client().get(format!("{url}/v1/inbox/mallory")).header("x-kez-auth", alice.poll_auth(0)),
        Code::BadSignature,
    )
    .await;
    refuse(
        client().get(format!("{url}/v1/inbox/nobody")).header("x-kez-auth", alice.poll_auth(0)),
        Code::UnknownHandle,
    )
    .await;
    // A signature in the query is for streams alone.
    refuse(client().get(format!("{inbox}?auth={}", alice.poll_auth(0))), Code::AuthRequired).await;

    for right in [right, later(-30), later(60)] {
        assert_eq!(with(&right).send().await.unwrap().status(), 200);
    }
}
