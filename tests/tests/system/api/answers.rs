//! What the server tells of itself, records, and what web pages of other origins may do.

use kez_proto::{Code, Timestamp};
use kez_tests::{
    Deployment, Person, SERVER,
    http::{client, get, header, refused},
};
use reqwest::{Method, Response};
use serde_json::{Value, json};

async fn ok(response: Response) -> Value {
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "content-type"), "application/json");
    response.json().await.unwrap()
}

#[tokio::test]
async fn what_a_server_tells_of_itself() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        ok(get(format!("{url}/v1/healthz")).await).await,
        json!({"status": "ok", "server": SERVER, "version": version})
    );
    let server = ok(get(format!("{url}/v1/server")).await).await;
    assert_eq!((&server["name"], &server["version"]), (&json!(SERVER), &json!(version)));
    assert!(server["epoch"].as_str().is_some_and(|epoch| !epoch.is_empty()), "{server}");
    let limits = json!({"envelope_bytes": 262_144, "page_messages": 500, "inbox_messages": 10_000, "mail_days": 30, "duplicate_window_seconds": 600});
    assert_eq!(server["limits"], limits);
    assert!(server["features"].as_array().unwrap().contains(&json!("sse")));
}

#[tokio::test]
async fn a_record_is_found_by_handle_and_by_key() {
    let deployment = Deployment::start_with(1, &[], &[]).await;
    let url = deployment.url(0);
    let alice = Person::new("alice");
    let key = alice.identity.primary();
    refused(get(format!("{url}/v1/u/alice")).await, Code::UnknownHandle).await;
    refused(get(format!("{url}/v1/by-primary/{key}")).await, Code::UnknownPrimary).await;

    let registered = alice.register(url).await;
    assert_eq!(
        (registered.status().as_u16(), header(&registered, "content-type")),
        (201, "application/json")
    );
    let record: Value = registered.json().await.unwrap();
    let registered_at: Timestamp = record["registered_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(
        record,
        json!({
            "handle": "alice", "fqhn": format!("alice@{SERVER}"), "primary": key.to_string(),
            "sigchain_url": format!("https://{SERVER}/v1/sigchains/ed25519/{}", key.hex()), "registered_at": registered_at,
        })
    );
    assert_eq!(ok(get(format!("{url}/v1/u/alice")).await).await, record);
    assert_eq!(ok(get(format!("{url}/v1/by-primary/{key}")).await).await, record);
}

#[tokio::test]
async fn names_that_nobody_can_have_are_told_from_those_that_nobody_has() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    for handle in ["ab", "Alice", "a.b", "%2A", "a%20b", "%ff", "%C3%A4bc", &"a".repeat(33)] {
        refused(get(format!("{url}/v1/u/{handle}")).await, Code::InvalidHandle).await;
    }
    for primary in ["ed25519:00", "alice", "%ff", "nostr:npub1xyz", &format!("ed25519:01{}", "0".repeat(62))]
    {
        refused(get(format!("{url}/v1/by-primary/{primary}")).await, Code::InvalidPrimary).await;
    }
}

#[tokio::test]
async fn pages_of_other_origins_may_use_the_api() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    for (method, path, wants) in [
        ("POST", "/v1/messages", "content-type"),
        ("POST", "/v1/register", "content-type"),
        ("GET", "/v1/inbox/alice", "x-kez-auth"),
        ("DELETE", "/v1/inbox/alice", "x-kez-auth"),
        ("GET", "/v1/inbox/alice/stream", "last-event-id"),
        ("GET", "/v1/inbox/alice/stream", "authorization"),
        ("POST", "/v1/messages", "authorization"),
        ("POST", "/v1/session", "content-type"),
        ("POST", "/v1/session/renew", "authorization"),
        ("POST", "/v1/session/renew", "x-kez-auth"),
    ] {
        let ask = client()
            .request(Method::OPTIONS, format!("{url}{path}"))
            .header("origin", "https://elsewhere.example");
        let ask = ask
            .header("access-control-request-method", method)
            .header("access-control-request-headers", wants);
        let answer = ask.send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), header(&answer, "access-control-allow-origin")),
            (200, "*"),
            "{path}"
        );
        let lists = |name, item: &str| {
            header(&answer, name).split(',').any(|one| one.trim().eq_ignore_ascii_case(item))
        };
        assert!(lists("access-control-allow-methods", method), "{method} {path}: {:?}", answer.headers());
        assert!(lists("access-control-allow-headers", wants), "{method} {path}: {:?}", answer.headers());
    }
    let answer = client()
        .get(format!("{url}/v1/healthz"))
        .header("origin", "https://elsewhere.example")
        .send()
        .await
        .unwrap();
    assert_eq!(header(&answer, "access-control-allow-origin"), "*");
    assert_eq!(header(&answer, "access-control-expose-headers"), "retry-after,etag");
    assert_eq!(header(&answer, "access-control-allow-credentials"), "");
}
