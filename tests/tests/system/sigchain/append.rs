//! What is appended, and what isn't.

use kez_proto::{
    envelope::Signed,
    identity::{Op, Target},
};
use kez_tests::{
    Deployment, http,
    writer::{Writer, add, chain_url, fresh_key},
};
use reqwest::Response;
use serde_json::{Value, json};

async fn deployment() -> Deployment {
    let mut deployment = Deployment::start(1).await;
    deployment.add_sigchain().await;
    deployment
}

async fn code(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    (status, response.json::<Value>().await.unwrap()["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn an_event_is_appended_once_and_answered_alike() {
    let deployment = deployment().await;
    let url = deployment.url(0);
    let mut writer = Writer::fresh();
    let first = writer.next(&add("github:alice"));
    let appended = writer.append_signed(url, &first).await;
    let hash = writer.chain.as_ref().unwrap().head().to_owned();
    assert_eq!(appended, json!({"seq": 0, "hash": hash}));
    writer.append(url, &add("dns:alice.example")).await;
    // The same event again, also in another spelling.
    let spaced = serde_json::to_string_pretty(&first).unwrap();
    let again = http::client().post(writer.url(url)).body(spaced).send().await.unwrap();
    assert_eq!(again.status(), 201);
    assert_eq!(again.json::<Value>().await.unwrap(), json!({"seq": 0, "hash": hash, "duplicate": true}));
    let head = http::get(format!("{}/head", writer.url(url))).await.json::<Value>().await.unwrap();
    let key = writer.primary();
    let chain = writer.chain.unwrap();
    assert_eq!(head, json!({"id": key, "primary": key, "head": {"seq": 1, "hash": chain.head()}}));
}

#[tokio::test]
async fn what_is_refused_changes_nothing() {
    let deployment = deployment().await;
    let url = deployment.url(0);
    let mut writer = Writer::fresh();
    // Nothing begins in the middle, nor under somebody else's key.
    let mut ahead = writer.clone();
    ahead.take(&ahead.next(&add("github:alice")));
    let late = ahead.next(&add("github:alice-2"));
    assert_eq!(code(writer.post(url, &late).await).await, (409, "chain_gap".into()));
    let other = Writer::fresh();
    let foreign = other.next(&add("github:alice"));
    assert_eq!(code(writer.post(url, &foreign).await).await, (403, "key_not_in_force".into()));
    assert_eq!(code(http::get(writer.url(url)).await).await, (404, "unknown_chain".into()));

    writer.append(url, &add("github:alice")).await;
    let fork = {
        let mut fork = Writer { chain: None, ..writer.clone() };
        let first = fork.next(&add("github:mallory"));
        fork.take(&first);
        fork
    };
    let head = json!({"seq": 0, "hash": writer.chain.as_ref().unwrap().head()});
    for (event, expected) in [
        (writer_without_chain(&writer).next(&add("github:mallory")), "chain_conflict"),
        (fork.next(&add("github:mallory-2")), "wrong_prev"),
        (
            {
                let mut gap = writer.clone();
                gap.take(&gap.next(&add("github:x")));
                gap.next(&add("github:y"))
            },
            "chain_gap",
        ),
    ] {
        let refused = writer.post(url, &event).await;
        assert_eq!(refused.status(), 409);
        let problem: Value = refused.json().await.unwrap();
        assert_eq!((&problem["code"], &problem["head"]), (&json!(expected), &head));
    }
    let good = writer.next(&add("github:bob"));
    let tampered = |change: fn(&mut Value)| {
        let mut event = serde_json::to_value(&good).unwrap();
        change(&mut event);
        event.to_string()
    };
    for (body, expected) in [
        ("no JSON".to_owned(), (400, "malformed_json")),
        (tampered(|e| e["payload"]["payload"]["subject"] = "github:eve".into()), (401, "bad_signature")),
        (tampered(|e| e["signature"]["alg"] = "none".into()), (400, "unsupported_alg")),
        (tampered(|e| e["kez"] = "claim".into()), (400, "wrong_tag")),
        (good_with_twice(&good), (400, "duplicate_key")),
        (" ".repeat(17 * 1024), (413, "too_large")),
    ] {
        let refused = http::client().post(writer.url(url)).body(body.clone()).send().await.unwrap();
        assert_eq!(code(refused).await, (expected.0, expected.1.to_owned()), "{body}");
    }
    let unknown = Op::Revoke(Target::Device("phone".into()));
    let revoke = kez_proto::identity::Event::sign(None, &unknown, kez_tests::person::now(), &fresh_key());
    let stranger =
        http::client().post(chain_url(url, &writer.primary())).json(&revoke.unwrap()).send().await.unwrap();
    assert_eq!(code(stranger).await, (409, "chain_conflict".into()));
    let bad_key = http::get(format!("{url}/v1/sigchains/ed25519/{}", "A".repeat(64))).await;
    assert_eq!(code(bad_key).await, (400, "invalid_primary".into()));
    let now: Value = http::get(writer.url(url)).await.json().await.unwrap();
    assert_eq!((&now["head"], now["events"].as_array().unwrap().len()), (&head, 1));
    writer.append_signed(url, &good).await;
}

#[tokio::test]
async fn when_there_is_no_room_for_more_events_those_that_are_there_are_served() {
    let mut deployment = Deployment::start(1).await;
    deployment.add_sigchain_with(&["--sigchain-bytes", "4000"]).await;
    let (url, mut writer) = (deployment.url(0), Writer::fresh());
    let mut taken = 0;
    let full = loop {
        let event = writer.next(&add(&format!("dns:a{taken}.example")));
        let answer = writer.post(url, &event).await;
        if answer.status() != 201 {
            break code(answer).await;
        }
        writer.take(&event);
        taken += 1;
    };
    assert_eq!(full, (503, "storage_full".into()));
    assert!(taken > 0);
    let now: Value = http::get(writer.url(url)).await.json().await.unwrap();
    assert_eq!(now["events"].as_array().unwrap().len(), taken);
    assert_eq!(
        code(writer.post(url, &writer.rotation(&fresh_key())).await).await,
        (503, "storage_full".into())
    );
}

fn writer_without_chain(writer: &Writer) -> Writer {
    Writer { chain: None, ..writer.clone() }
}

fn good_with_twice(good: &Signed) -> String {
    serde_json::to_string(good).unwrap().replacen('{', r#"{"kez":"x","#, 1)
}
