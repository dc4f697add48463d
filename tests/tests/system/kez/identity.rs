//! A key outlives the computer that it was on.

use super::{User, with_logs};

#[tokio::test]
async fn who_lost_all_but_the_words_gets_it_all_back() {
    let deployment = with_logs(1).await;
    let url = deployment.url(0);
    for (handle, words) in [("alice", "12"), ("amelie", "24")] {
        let before = User::at(url);
        let made = before.json(&["identity", "new", "--words", words]).await;
        before.must(&["register", handle]).await;
        before.must(&["sigchain", "add", "dns:alice.example"]).await;
        let bob = User::registered(&format!("bob-{handle}"), url).await;
        bob.must(&["send", handle, "are you still there?"]).await;

        let after = User::at(url);
        let restored = after.restore(made[0]["phrase"].as_str().unwrap()).await;
        assert_eq!(restored["primary"], made[0]["primary"]);
        assert_eq!(restored["address"], format!("{handle}@kez.test"));
        let mail = after.json(&["inbox"]).await;
        assert_eq!((mail.len(), mail[0]["body"].as_str()), (1, Some("are you still there?")));
        let log = after.json(&["sigchain", "show"]).await;
        assert_eq!(log, before.json(&["sigchain", "show"]).await);
        assert_eq!(log[0]["subjects"][0]["subject"], "dns:alice.example");
    }
}

#[tokio::test]
async fn words_without_a_name_still_make_the_key() {
    let deployment = with_logs(1).await;
    let alice = User::at(deployment.url(0));
    let restored = alice.restore(&("abandon ".repeat(23) + "art")).await;
    assert_eq!(restored["address"], serde_json::Value::Null);
    alice.must(&["register", "alice"]).await;
    assert_eq!(alice.json(&["whoami"]).await[0]["primary"], restored["primary"]);
}

#[tokio::test]
async fn a_name_that_was_given_back_is_its_keys_alone() {
    let deployment = with_logs(1).await;
    let url = deployment.url(0);
    let alice = User::registered("alice", url).await;
    // In one second after the other, however fast they come.
    for _ in 0..2 {
        alice.must(&["release", "--yes"]).await;
        alice.must(&["register", "alice"]).await;
    }
    let released = &alice.json(&["release", "--yes"]).await[0];
    assert_eq!(released["address"], "alice@kez.test");
    assert!(released["reserved_until"].as_str() > Some(kez_tests::person::now().to_string().as_str()));
    assert!(alice.must(&["whoami"]).await.contains("no name yet"));
    let bob = User::registered("bobby", url).await;
    assert!(bob.fails(&["send", "alice", "hello"]).await.contains("nobody here has this handle"));
    assert!(User::at(url).fails(&["register", "alice"]).await.contains("handle_released"));
    alice.must(&["register", "alice"]).await;
}
