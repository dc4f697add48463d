//! What a send takes and what it answers.

use kez_proto::{Code, Timestamp, limits::ENVELOPE_BYTES};
use kez_tests::{
    Deployment, Person,
    http::{get, header, refused},
    person::send,
};
use serde_json::{Value, json};

use super::{envelope_of, post, post_envelope};

#[tokio::test]
async fn a_message_is_taken_and_is_there() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let answer = send(url, "alice", json!({"v": 0})).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "content-type")), (201, "application/json"));
    let sent: Value = answer.json().await.unwrap();
    let _: Timestamp = sent["created_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(sent.as_object().unwrap().len(), 2, "{sent}");
    assert_eq!(alice.mail(url).await, [(sent["seq"].as_u64().unwrap(), json!({"v": 0}))]);
}

#[tokio::test]
async fn what_is_no_message_is_refused_and_stored_nowhere() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    for body in [
        &b""[..],
        b"to=alice",
        b"null",
        b"[]",
        br#"["alice",{}]"#,
        br#"{"to":"alice"}"#,
        br#"{"envelope":{}}"#,
        br#"{"to":7,"envelope":{}}"#,
        br#"{"to":null,"envelope":{}}"#,
        br#"{"to":"alice","to":"bob","envelope":{}}"#,
        br#"{"to":"alice","envelope":{},"envelope":{}}"#,
        br#"{"to":"alice","envelope":{"#,
        br#"{"to":"alice","envelope":{}} {}"#,
        br#"{"to":"alice","envelope":{a:1}}"#,
        br#"{"to":"alice","envelope":{"a":01}}"#,
        // One of these would make a page of mail unreadable for many parsers.
        br#"{"to":"alice","envelope":{"a":"\ud800"}}"#,
        br#"{"to":"alice","envelope":{"a":1e999}}"#,
        b"{\"to\":\"alice\",\"envelope\":{\"a\":\"\xff\"}}",
        b"{\"to\":\"alice\",\"envelope\":{\"a\":\"\0\"}}",
    ] {
        println!("{}", String::from_utf8_lossy(body));
        refused(post(url, body).await, Code::MalformedJson).await;
    }
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    refused(post_envelope(url, "alice", &deep).await, Code::MalformedJson).await;
    for envelope in ["[]", r#"[{"v":0}]"#, r#""{}""#, "1", "null", "true"] {
        refused(post_envelope(url, "alice", envelope).await, Code::EnvelopeNotObject).await;
    }
    for to in ["", "Alice", "al", "alice@kez.test", "kez.>", "*", "alice ", " alice", r"alice\n"] {
        refused(post_envelope(url, to, "{}").await, Code::InvalidHandle).await;
    }
    refused(post_envelope(url, "nobody", "{}").await, Code::UnknownHandle).await;
    assert_eq!(alice.mail(url).await, []);
    // Members that this version doesn't know are passed over.
    assert_eq!(post(url, r#" {"later": 1, "envelope": {}, "to": "alice"} "#).await.status(), 201);
}

#[tokio::test]
async fn an_envelope_may_be_so_long_and_not_a_byte_more() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    assert_eq!(post_envelope(url, "alice", &envelope_of(ENVELOPE_BYTES, 1)).await.status(), 201);
    let problem =
        refused(post_envelope(url, "alice", &envelope_of(ENVELOPE_BYTES + 1, 2)).await, Code::TooLarge).await;
    assert!(problem.detail.contains("262145"), "{}", problem.detail);
    // Bodies that are taken off the wire, but not kept; far larger ones are cut off.
    for bytes in [ENVELOPE_BYTES + 2000, 1_000_000, 3_000_000] {
        refused(post_envelope(url, "alice", &envelope_of(bytes, 3)).await, Code::TooLarge).await;
    }
    assert_eq!(alice.mail(url).await.len(), 1);
}

#[tokio::test]
async fn an_operator_may_want_shorter_ones() {
    let deployment = Deployment::start_with(1, &["--envelope-bytes", "1000"], &[]).await;
    let url = deployment.url(0);
    Person::registered("alice", url).await;
    let server: Value = get(format!("{url}/v1/server")).await.json().await.unwrap();
    assert_eq!(server["limits"]["envelope_bytes"], 1000);
    assert_eq!(post_envelope(url, "alice", &envelope_of(1000, 1)).await.status(), 201);
    refused(post_envelope(url, "alice", &envelope_of(1001, 2)).await, Code::TooLarge).await;
}
