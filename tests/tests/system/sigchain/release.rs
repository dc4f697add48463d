//! A handle is given back.

use kez_proto::{Code, release, release::HandleRelease};
use kez_tests::{Deployment, Person, SERVER, http, http::refused, person::now};
use reqwest::Response;
use serde_json::{Value, json};

fn signed(person: &Person, seconds: i64) -> Value {
    let at = kez_proto::Timestamp::from_unix(now().unix() + seconds).unwrap();
    let payload =
        HandleRelease::new(person.handle.clone(), person.identity.primary(), SERVER.parse().unwrap(), at);
    let payload = serde_json::to_value(payload).unwrap();
    let sig = person.identity.sign_hex(&kez_proto::json::canonical(&payload).unwrap());
    let signature =
        json!({"alg": kez_proto::envelope::ED25519_JCS, "key": person.identity.primary(), "sig": sig});
    json!({"kez": release::TAG, "payload": payload, "signature": signature})
}

async fn post(url: &str, envelope: &Value) -> Response {
    http::client().post(format!("{url}/v1/release")).json(envelope).send().await.unwrap()
}

#[tokio::test]
async fn a_released_handle_is_kept_for_its_key() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let thief = Person::new("alice");
    refused(post(url, &signed(&thief, 1)).await, Code::NotOwner).await;
    refused(post(url, &signed(&alice, 400)).await, Code::StaleTimestamp).await;
    refused(post(url, &signed(&Person::new("nobody-here"), 1)).await, Code::UnknownHandle).await;

    let envelope = signed(&alice, 1);
    let released: Value = post(url, &envelope).await.json().await.unwrap();
    assert_eq!(
        (&released["handle"], &released["primary"]),
        (&json!("alice"), &json!(alice.identity.primary()))
    );
    let until: kez_proto::Timestamp = serde_json::from_value(released["reserved_until"].clone()).unwrap();
    let days = (until.unix() - now().unix()) as f64 / 86_400.0;
    assert!((89.9..=90.0).contains(&days), "{days}");
    assert_eq!(post(url, &envelope).await.json::<Value>().await.unwrap(), released);
    refused(http::get(format!("{url}/v1/u/alice")).await, Code::UnknownHandle).await;
    refused(kez_tests::person::send(url, "alice", json!({})).await, Code::UnknownHandle).await;
    refused(thief.register(url).await, Code::HandleReleased).await;

    // A later registration by the same key gets it back; the release's bytes are worth nothing then.
    let back = alice.registration_with(|payload| {
        payload["created_at"] = json!(kez_proto::Timestamp::from_unix(now().unix() + 2).unwrap());
    });
    let response = http::client().post(format!("{url}/v1/register")).json(&back).send().await.unwrap();
    assert_eq!(response.status(), 201, "{}", response.text().await.unwrap());
    refused(post(url, &envelope).await, Code::StaleTimestamp).await;
    assert_eq!(alice.looked_up(url).await.primary, alice.identity.primary());
}
