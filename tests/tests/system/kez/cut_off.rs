//! A change of keys that stopped half-way: the log at the server has gone on, the name is still under the old key.

use async_nats::jetstream;
use kez_client::{Home, Identity};
use kez_proto::{
    identity::{Event, Key},
    json as jcs,
    subjects::{Role, sigchain_log},
};
use kez_tests::{Deployment, person::now};
use serde_json::{Value, json};

use super::{User, rotation::key_of, with_logs};

/// Alice, who has begun to change to this key.
async fn cut_off() -> (Deployment, User, Identity) {
    let deployment = with_logs(1).await;
    let alice = User::registered("alice", deployment.url(0)).await;
    alice.must(&["sigchain", "add", "github:alice"]).await;
    let home = Home::at(alice.home());
    let (old, new) = (home.identity().unwrap(), Identity::generate().unwrap());
    home.keep_next_identity(&new).unwrap();
    let log = home.sigchain().unwrap().unwrap();
    let rotation = Event::sign_rotation(log.state(), now(), &old, &new).unwrap();
    let rotation = jcs::canonical(&serde_json::to_value(&rotation).unwrap()).unwrap();
    // As by a service that stored the event and told the registry nothing of it.
    let stream = jetstream::new(deployment.nats.connect_as(Role::Sigchain).await);
    let first = log.state().id();
    for (key, entry) in [(first, rotation), (Key::from(new.primary()), first.to_string().into_bytes())] {
        stream.publish(sigchain_log(&key), entry.into()).await.unwrap().await.unwrap();
    }
    (deployment, alice, new)
}

#[tokio::test]
async fn going_on_takes_the_name_along() {
    let (deployment, alice, new) = cut_off().await;
    let rotated = &alice.json(&["sigchain", "rotate"]).await[0];
    assert_eq!((&rotated["primary"], &rotated["address"]), (&json!(new.primary()), &json!("alice@kez.test")));
    assert_eq!(key_of(deployment.url(0), "alice").await, json!(new.primary()));
    assert_eq!(alice.primary(), new.primary());
    alice.must(&["inbox"]).await;
    assert_eq!(alice.json(&["sigchain", "verify"]).await[0]["head"]["seq"], 1);
}

#[tokio::test]
async fn others_are_told_and_publishing_repairs_it() {
    let (deployment, alice, new) = cut_off().await;
    let (url, old) = (deployment.url(0), alice.primary());
    let bob = User::registered("bobby", url).await;
    for command in [&["verify", "alice"][..], &["sigchain", "verify", "alice@kez.test"]] {
        let why = bob.fails(command).await;
        assert!(why.contains(&new.primary().to_string()) && why.contains("kez sigchain publish"), "{why}");
    }
    let told = bob.run(&["--json", "verify", "alice"]).await.stdout;
    assert_eq!(serde_json::from_str::<Value>(&told).unwrap()["error"]["code"], "key_not_in_force");
    bob.must(&["verify", &old.to_string()]).await;
    for command in [&["send", "alice", "hello"][..], &["sigchain", "show", "alice"]] {
        let ended = bob.run(command).await;
        assert_eq!(ended.status, Some(0), "{}", ended.stderr);
        assert!(ended.stderr.contains("Warning") && ended.stderr.contains("gave way"), "{}", ended.stderr);
    }

    // A change that has ended here, too.
    alice.must(&["sigchain", "show"]).await;
    Home::at(alice.home()).change_identity().unwrap();
    assert!(alice.fails(&["inbox"]).await.contains("kez sigchain publish"));
    let published = &alice.json(&["sigchain", "publish"]).await[0];
    assert_eq!((&published["events"], &published["published"]), (&json!(2), &json!(0)));
    assert_eq!(key_of(url, "alice").await, json!(new.primary()));
    assert_eq!(alice.json(&["inbox"]).await[0]["body"], "hello");
    assert_eq!(bob.json(&["verify", "alice"]).await[0]["outcome"], "good");
    let ended = bob.run(&["send", "alice", "hello again"]).await;
    assert!(ended.status == Some(0) && !ended.stderr.contains("Warning"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_new_key_that_took_a_name_meanwhile_keeps_it() {
    let (deployment, alice, new) = cut_off().await;
    let url = deployment.url(0);
    let other = User::at(url);
    Home::at(other.home()).create_identity(&new).unwrap();
    other.must(&["register", "alice-two"]).await;
    let ended = alice.run(&["sigchain", "rotate"]).await;
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("name alice-two") && !ended.stderr.contains("ask it again"),
        "{}",
        ended.stderr
    );
    assert_eq!((alice.primary(), alice.home().join("next.key").exists()), (new.primary(), false));
    assert_eq!(key_of(url, "alice-two").await, json!(new.primary()));
    alice.must(&["sigchain", "publish"]).await;
}
