//! From a new key to mail that is read and deleted.

use std::{fs, os::unix::fs::PermissionsExt};

use kez_tests::{Deployment, eventually, http::client, person::now};
use serde_json::{Value, json};

use super::User;

#[tokio::test]
async fn a_key_a_name_and_who_that_is() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = User::at(url);
    let made = alice.must(&["identity", "new"]).await;
    let mode = |path: &str| fs::metadata(alice.home().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("identity.key"), mode("")), (0o600, 0o700));

    assert_eq!(alice.must(&["register", "alice"]).await, "alice@kez.test is yours\n");
    let record: Value = client().get(format!("{url}/v1/u/alice")).send().await.unwrap().json().await.unwrap();
    let primary = record["primary"].as_str().unwrap();
    assert!(made.contains(primary), "{made}");
    let key_file = alice.home().join("identity.key");
    let me =
        json!({"address": "alice@kez.test", "primary": primary, "server_url": url, "key_file": key_file});
    assert_eq!(alice.json(&["whoami"]).await, [me]);

    // Signed in the same second it would be the same envelope, and so the first registration again.
    eventually("another second", async || (json!(now()) != record["registered_at"]).then_some(())).await;
    assert_eq!(alice.must(&["register", "alice"]).await, "alice@kez.test is already yours\n");
    let again = json!({"address": "alice@kez.test", "primary": primary, "already": true});
    assert_eq!(alice.json(&["register", "alice"]).await, [again]);
    let second = alice.fails(&["register", "alice-2"]).await;
    assert!(second.contains("alice@kez.test already"), "{second}");
    let mallory = User::at(url).fails(&["register", "alice"]).await;
    assert!(mallory.contains("belongs to somebody else"), "{mallory}");
}

#[tokio::test]
async fn mail_is_sent_read_and_deleted() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = User::registered("alice", url).await;
    let bob = User::registered("bobby", url).await;
    assert_eq!(
        alice.must(&["send", "bobby", "see", "you", "at", "eight"]).await,
        "sent to bobby@kez.test, seq 1\n"
    );
    alice.must(&["send", "bobby@kez.test", "two\nlines"]).await;

    let shown = bob.must(&["inbox"]).await;
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].ends_with("alice@kez.test: see you at eight"), "{shown}");
    assert_eq!((lines.len(), lines[2]), (3, "    lines"));
    let mail = bob.json(&["inbox"]).await;
    let told = |n: usize| (mail[n]["from"].as_str(), mail[n]["body"].as_str());
    assert_eq!(told(0), (Some("alice@kez.test"), Some("see you at eight")));
    assert_eq!(told(1), (Some("alice@kez.test"), Some("two\nlines")));
    let second = mail[1]["seq"].as_u64().unwrap();
    assert_eq!((mail.len(), &mail[0]["seq"], second > 1), (2, &json!(1), true));
    assert_eq!(bob.json(&["inbox", "--since", "1"]).await, mail[1..]);
    assert_eq!(bob.json(&["inbox", "--limit", "1"]).await, mail[..1]);
    assert_eq!(User::registered("carol", url).await.must(&["inbox"]).await, "");

    // For other programs there is the signature alone.
    let target = "/v1/inbox/bobby?since=1";
    let auth = bob.must(&["auth", "GET", target]).await;
    let page: Value = client()
        .get(format!("{url}{target}"))
        .header("x-kez-auth", auth.trim())
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(page["messages"][0]["seq"], second);

    assert_eq!(bob.json(&["delete", "--through", "1", "--yes"]).await, [json!({"purged": 1, "through": 1})]);
    assert_eq!(bob.json(&["inbox"]).await, mail[1..]);
}
