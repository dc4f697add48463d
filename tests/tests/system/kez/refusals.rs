//! What a person is told when it doesn't work.

use kez_tests::Deployment;
use serde_json::Value;

use super::User;

#[tokio::test]
async fn a_recipient_that_isn_t_there() {
    let deployment = Deployment::start(1).await;
    let alice = User::registered("alice", deployment.url(0)).await;
    let why = alice.fails(&["send", "nobody", "hello"]).await;
    assert!(why.contains("nobody here has this handle") && why.lines().count() == 1, "{why}");
    let why = alice.fails(&["send", "bob@elsewhere.test", "hello"]).await;
    assert!(why.contains("its own handles only"), "{why}");

    let ended = alice.run(&["--json", "send", "nobody", "hello"]).await;
    let error: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.status, &error["error"]["code"]), (Some(1), &"unknown_handle".into()));
}

#[tokio::test]
async fn a_server_that_is_away() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0).to_owned();
    let alice = User::registered("alice", &url).await;
    drop(deployment);
    for command in [&["send", "alice", "hello"][..], &["inbox"], &["delete", "--through", "1", "--yes"]] {
        let why = alice.fails(command).await;
        assert!(why.contains("error: ") && why.contains(&url), "{command:?}: {why}");
    }
}

/// The services behind the door are away: that is another story, and as plain.
#[tokio::test]
async fn a_server_whose_mail_is_away() {
    let mut deployment = Deployment::start(1).await;
    let alice = User::registered("alice", deployment.url(0)).await;
    deployment.fanouts.clear();
    let why = alice.fails(&["send", "alice", "hello"]).await;
    assert!(why.contains("error: ") && why.contains("away"), "{why}");
}
