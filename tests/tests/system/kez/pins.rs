//! A handle's key is pinned at the first message, and another one is refused.

use std::{fs, os::unix::fs::PermissionsExt};

use kez_client::Identity;
use kez_proto::Primary;
use kez_tests::Deployment;
use serde_json::{Value, json};

use super::{User, nats::flag};

fn pins(user: &User) -> Value {
    serde_json::from_slice(&fs::read(user.home().join("pins.json")).unwrap()).unwrap()
}

/// The user knows bobby by this key.
fn pin(user: &User, key: Primary) {
    fs::write(user.home().join("pins.json"), json!({"bobby@kez.test": key}).to_string()).unwrap();
}

#[tokio::test]
async fn a_changed_key_is_refused_until_the_person_vouches_for_it() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = User::registered("alice", url).await;
    let bob = User::registered("bobby", url).await;
    let (key, other) = (bob.primary(), Identity::generate().unwrap().primary());
    alice.must(&["send", "bobby", "one"]).await;
    assert_eq!(pins(&alice), json!({"bobby@kez.test": key}));
    let mode = fs::metadata(alice.home().join("pins.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // To the client it is the same whether the server names another key now or another one was known before.
    pin(&alice, other);
    for to in [&["bobby"][..], &[&flag(&deployment.nats.url()), "bobby"]] {
        let why = alice.fails(&[&["send"], to, &["two"]].concat()).await;
        for words in [&other.to_string(), "Nothing was sent", &format!("kez send --key {key} bobby@kez.test")]
        {
            assert!(why.contains(words), "{words} isn't in {why}");
        }
    }
    let ended = alice.run(&["--json", "send", "bobby", "two"]).await;
    let error: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.status, &error["error"]["code"]), (Some(1), &json!("key_changed")));
    let why = alice.fails(&["send", "--key", &other.to_string(), "bobby", "two"]).await;
    assert!(why.contains("another key") && why.contains("Nothing was sent"), "{why}");
    assert_eq!(pins(&alice), json!({"bobby@kez.test": other}));
    assert_eq!((bob.json(&["inbox"]).await.len(), alice.json(&["inbox"]).await.len()), (1, 1));

    let vouched = alice.run(&["send", "--key", &key.to_string(), "bobby", "three"]).await;
    assert_eq!(vouched.status, Some(0), "{}", vouched.stderr);
    assert!(vouched.stderr.contains("bobby@kez.test has another key now, as you said"), "{}", vouched.stderr);
    assert_eq!(pins(&alice), json!({"bobby@kez.test": key}));
    alice.must(&["send", "bobby", "four"]).await;
    assert_eq!(bob.json(&["inbox"]).await.len(), 3);
}

#[tokio::test]
async fn known_keys_that_cannot_be_read_are_not_forgotten() {
    let deployment = Deployment::start(1).await;
    let alice = User::registered("alice", deployment.url(0)).await;
    User::registered("bobby", deployment.url(0)).await;
    fs::write(alice.home().join("pins.json"), "{\"bobby@kez.test\":").unwrap();
    let why = alice.fails(&["send", "bobby", "hello"]).await;
    assert!(why.contains("pins.json is damaged"), "{why}");
    assert_eq!(fs::read_to_string(alice.home().join("pins.json")).unwrap(), "{\"bobby@kez.test\":");
}

#[tokio::test]
async fn a_name_that_is_somebody_elses_now_is_no_place_for_notes() {
    let deployment = Deployment::start(1).await;
    let alice = User::registered("alice", deployment.url(0)).await;
    fs::remove_file(alice.home().join("identity.key")).unwrap();
    alice.must(&["identity", "new"]).await;
    let why = alice.fails(&["send", "alice", "a note"]).await;
    assert!(why.contains("alice@kez.test isn't yours any more"), "{why}");
}
