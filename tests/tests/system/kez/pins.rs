//! A handle's key is pinned at the first message, and another one is refused.

use std::{fs, os::unix::fs::PermissionsExt};

use ed25519_dalek::SigningKey;
use kez_client::{Identity, key_file};
use kez_proto::Primary;
use kez_tests::{
    Deployment,
    writer::{Writer, add, fresh_key},
};
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
    let mut deployment = Deployment::start(1).await;
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
    let why = alice.fails(&["send", "bobby", "two"]).await;
    assert!(why.contains("nobody can say whether they changed it. Nothing was sent"), "{why}");
    deployment.add_sigchain().await;
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

/// The user goes on under another key, as their identity log says from then on.
async fn rotate(user: &User) {
    let (file, old_keys) = (user.home().join("identity.key"), user.home().join("old-keys"));
    let seed = data_encoding::HEXLOWER.decode(fs::read(&file).unwrap().trim_ascii()).unwrap();
    let mut writer = Writer { key: SigningKey::from_bytes(&seed.try_into().unwrap()), chain: None };
    writer.append(&user.url, &add("github:bobby")).await;
    let next = fresh_key();
    writer.append_signed(&user.url, &writer.rotation(&next)).await;
    fs::create_dir(&old_keys).unwrap();
    fs::rename(&file, old_keys.join("1.key")).unwrap();
    key_file::create(&file, &Identity::from_seed(&next.to_bytes())).unwrap();
}

#[tokio::test]
async fn a_change_that_the_identity_log_proves_is_taken() {
    let mut deployment = Deployment::start(1).await;
    deployment.add_sigchain().await;
    let url = deployment.url(0);
    let nats = flag(&deployment.nats.url());
    let alice = User::registered("alice", url).await;
    let bob = User::registered("bobby", url).await;
    let carol = User::registered("carol", url).await;
    for user in [&alice, &carol] {
        user.must(&["send", "bobby", "to the old key"]).await;
    }
    let old = bob.primary();
    rotate(&bob).await;
    let new = bob.primary();
    assert_ne!(new, old);

    // Who reads first: the name is sure, and the pinned key stays until the reader writes.
    bob.must(&["send", "carol", "from the new key"]).await;
    let shown = carol.must(&["inbox"]).await;
    assert!(shown.trim_end().ends_with("] bobby@kez.test: from the new key"), "{shown}");
    assert_eq!(pins(&carol), json!({"bobby@kez.test": old}));

    for (user, to) in [(&alice, &["bobby"][..]), (&carol, &[&nats, "bobby"])] {
        let sent = user.run(&[&["send"], to, &["to the new key"]].concat()).await;
        assert_eq!(sent.status, Some(0), "{}", sent.stderr);
        let told = "bobby@kez.test has another key now, as their identity log proves";
        assert!(sent.stderr.contains(told), "{}", sent.stderr);
        assert_eq!(pins(user), json!({"bobby@kez.test": new}));
    }
    let shown = bob.must(&["inbox"]).await;
    for line in ["to the old key", "to the new key"] {
        assert_eq!(shown.lines().filter(|shown| shown.ends_with(line)).count(), 2, "{shown}");
    }

    // The way back is no way, nor is a key that the log doesn't name.
    for other in [Identity::generate().unwrap().primary(), alice.primary()] {
        pin(&alice, other);
        let why = alice.fails(&["send", "bobby", "to nobody"]).await;
        assert!(why.contains("Nothing was sent"), "{why}");
    }
}
