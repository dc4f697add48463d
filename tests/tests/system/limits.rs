//! Limits per client address.

use kez_proto::{Code, session::RENEW_PATH, subjects::Role};
use kez_tests::{
    Deployment, Person, eventually,
    http::{client, get, refused},
    person::send,
    session::{self, Session, renewal},
    sse::{Stream, stream_refused, stream_request},
};
use reqwest::Response;
use serde_json::json;

/// A deployment whose gateway has this limit, and no other.
async fn limited(flags: &[&str]) -> Deployment {
    Deployment::start_with(1, &[], flags).await
}

/// Refused with a time to wait that is no longer than the limit's own period.
async fn rate_limited(response: Response, period: u32) {
    let wait = refused(response, Code::RateLimited).await.retry_after.unwrap();
    assert!((1..=period).contains(&wait), "{wait}");
}

#[tokio::test]
async fn requests_of_any_kind_are_limited() {
    let deployment = limited(&["--limit-requests", "2"]).await;
    let url = deployment.url(0);
    assert_eq!(get(format!("{url}/v1/healthz")).await.status(), 200);
    assert_eq!(get(format!("{url}/v1/nothing")).await.status(), 404);
    for path in ["/v1/healthz", "/v1/nothing", "/", "/v1/u/alice", "/.well-known/webfinger"] {
        rate_limited(get(format!("{url}{path}")).await, 60).await;
    }
    rate_limited(send(url, "alice", json!({})).await, 60).await;
    // What a browser asks on a page's behalf isn't counted: a page would be told nothing.
    let preflight = client()
        .request(reqwest::Method::OPTIONS, format!("{url}/v1/messages"))
        .header("origin", "https://elsewhere.example");
    assert_eq!(preflight.header("access-control-request-method", "POST").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn sends_are_limited_and_nothing_else_with_them() {
    let deployment = limited(&["--limit-sends", "2"]).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    for id in 0..2 {
        assert_eq!(send(url, "alice", json!({"id": id})).await.status(), 201);
    }
    // Also a client that is still sending when it is refused sees why.
    for bytes in [1, 250_000, 4_000_000, 4_000_000, 4_000_000] {
        rate_limited(send(url, "alice", json!({"pad": "x".repeat(bytes)})).await, 60).await;
    }
    for _ in 0..5 {
        assert_eq!(alice.mail(url).await.len(), 2);
    }
}

#[tokio::test]
async fn registrations_are_limited() {
    let deployment = limited(&["--limit-registrations", "2"]).await;
    let url = deployment.url(0);
    assert_eq!(Person::new("alice").register(url).await.status(), 201);
    // Attempts count, or names could be tried out.
    refused(Person::new("alice").register(url).await, Code::HandleTaken).await;
    rate_limited(Person::new("bobby").register(url).await, 3600).await;
    refused(get(format!("{url}/v1/u/bobby")).await, Code::UnknownHandle).await;
}

#[tokio::test]
async fn sessions_are_limited_and_renewing_one_is_not() {
    let deployment = limited(&["--limit-sessions", "2"]).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let session = Session::begin(&alice, url).await;
    refused(session::begin(url, &json!({})).await, Code::MalformedJson).await;
    rate_limited(session::begin(url, &json!({})).await, 3600).await;
    let signed = session.request_auth("POST", RENEW_PATH);
    for _ in 0..3 {
        let renewed = renewal(url, &session.granted.token, &signed).send().await.unwrap();
        assert_eq!(renewed.status(), 201);
    }
}

#[tokio::test]
async fn open_streams_are_limited_and_a_closed_one_leaves_its_place() {
    let deployment = limited(&["--limit-streams", "2"]).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    // Whoever isn't let in takes no place.
    for _ in 0..3 {
        stream_refused(client().get(format!("{url}/v1/inbox/alice/stream?auth=bad")), Code::MalformedAuth)
            .await;
    }
    let (first, _) = Stream::open(url, &alice, "").await;
    let (mut second, _) = Stream::open(url, &alice, "").await;
    stream_refused(stream_request(url, &alice, ""), Code::RateLimited).await;
    drop(first);
    eventually("the closed stream's place is free", async || {
        let response = stream_request(url, &alice, "").send().await.unwrap();
        (response.status() == 200).then_some(response)
    })
    .await;
    send(url, "alice", json!({"id": 1})).await;
    assert_eq!(second.message().await.json()["envelope"]["id"], 1);
}

async fn from(url: &str, forwarded: &[&str]) -> Response {
    let request = client().get(format!("{url}/v1/healthz"));
    forwarded
        .iter()
        .fold(request, |request, value| request.header("x-forwarded-for", *value))
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn behind_a_proxy_the_address_is_the_one_that_the_proxy_saw() {
    let deployment =
        limited(&["--limit-requests", "2", "--client-ip-source", "RightmostXForwardedFor"]).await;
    let url = deployment.url(0);
    for (forwarded, status) in [
        (&["192.0.2.1"][..], 200),
        (&["192.0.2.1"], 200),
        (&["192.0.2.1"], 429),
        (&["192.0.2.2"], 200),
        // What stands to the left was sent by the client.
        (&["192.0.2.99, 192.0.2.1"], 429),
        (&["192.0.2.99", "192.0.2.1"], 429),
        (&["192.0.2.1, 192.0.2.2"], 200),
        (&["192.0.2.1, 192.0.2.2"], 429),
        // A customer has a whole /64 of IPv6.
        (&["2001:db8:0:1::1"], 200),
        (&["2001:db8:0:1::2"], 200),
        (&["2001:db8:0:1:ffff::3"], 429),
        (&["2001:db8:0:2::1"], 200),
    ] {
        assert_eq!(from(url, forwarded).await.status(), status, "{forwarded:?}");
    }
    // A request that didn't come through the proxy is nobody's.
    for nobody in [&[][..], &["unknown"]] {
        refused(from(url, nobody).await, Code::Internal).await;
    }
}

#[tokio::test]
async fn without_a_proxy_a_header_changes_nothing() {
    let deployment = limited(&["--limit-requests", "2"]).await;
    let url = deployment.url(0);
    for (forwarded, status) in
        [("192.0.2.1", 200), ("192.0.2.2", 200), ("192.0.2.3", 429), ("192.0.2.4", 429)]
    {
        assert_eq!(from(url, &[forwarded]).await.status(), status);
    }
}

#[tokio::test]
async fn where_nats_does_not_count_each_instance_does() {
    let deployment = limited(&["--limit-registrations", "2"]).await;
    let url = deployment.url(0);
    let operator = deployment.nats.connect_as(Role::Operator).await;
    let deleted = operator.request("$JS.API.STREAM.DELETE.KEZ_COUNT_HOUR", "".into()).await.unwrap();
    assert!(String::from_utf8_lossy(&deleted.payload).contains("\"success\":true"), "{deleted:?}");
    for name in ["alice", "bobby"] {
        assert_eq!(Person::new(name).register(url).await.status(), 201);
    }
    rate_limited(Person::new("carol").register(url).await, 3600).await;
}

/// Of this many requests at once over two gateways, how many are taken.
async fn taken(count: usize, request: impl AsyncFn(usize) -> u16) -> usize {
    let all = (0..count).map(|n| request(n));
    let statuses = futures_util::future::join_all(all).await;
    assert!(statuses.iter().all(|status| [201, 429].contains(status)), "{statuses:?}");
    statuses.iter().filter(|status| **status == 201).count()
}

/// A fifth more or less.
fn is_about(limit: usize, taken: usize) -> bool {
    (limit * 8 / 10..=limit * 12 / 10).contains(&taken)
}

#[tokio::test]
async fn all_instances_count_registrations_and_messages_together() {
    let flags = ["--limit-registrations", "30", "--limit-sends", "100"];
    let deployment = Deployment::start_with(2, &["--limit-sender", "50"], &flags).await;
    let url = |n: usize| deployment.url(n % 2);
    let alice = Person::registered("alice", url(0)).await;
    let session = Session::begin(&alice, url(0)).await;
    let registered =
        taken(90, async |n| Person::new(&format!("person-{n}")).register(url(n)).await.status().as_u16())
            .await;
    // Alice was one of them.
    assert!(is_about(30, registered + 1), "{registered} registrations");

    let by_alice = taken(150, async |n| {
        let body = json!({"to": "alice", "envelope": {"n": n}});
        let request = client().post(format!("{}/v1/messages", url(n))).bearer_auth(&session.granted.token);
        request.json(&body).send().await.unwrap().status().as_u16()
    })
    .await;
    let by_anybody =
        taken(300, async |n| send(url(n), "alice", json!({"m": n})).await.status().as_u16()).await;
    println!(
        "{registered} registrations, {by_alice} messages of a sender, {by_anybody} of an address besides"
    );
    assert!(is_about(50, by_alice), "{by_alice} messages of one sender");
    // Those that the sender's limit refused had been counted for their address.
    assert!(by_alice + by_anybody <= 120, "{by_alice} and {by_anybody} messages of one address");
}
