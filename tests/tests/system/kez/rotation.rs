//! Another key for the same person: the name goes along, and whatever is interrupted goes on.

use std::{fs, process::Stdio};

use kez_tests::{http::client, within};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::{User, lossy::Lossy, nats::another_device, with_logs};

pub async fn key_of(url: &str, handle: &str) -> Value {
    let record = client().get(format!("{url}/v1/u/{handle}")).send().await.unwrap();
    record.json::<Value>().await.unwrap()["primary"].clone()
}

/// The words of their key.
async fn words(user: &User) -> String {
    user.json(&["identity", "export", "--yes"]).await[0]["phrase"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_name_and_the_mail_go_on_under_the_new_key() {
    let deployment = with_logs(1).await;
    let url = deployment.url(0);
    let alice = User::at(url);
    let old = alice.json(&["identity", "new", "--words"]).await;
    alice.must(&["register", "alice"]).await;
    // Without a log so far: it begins with this.
    let rotated = alice.json(&["sigchain", "rotate", "--yes"]).await;
    assert_eq!((&rotated[0]["was"], &rotated[0]["address"]), (&old[0]["primary"], &json!("alice@kez.test")));
    assert_eq!(key_of(url, "alice").await, rotated[0]["primary"]);
    assert_eq!(alice.json(&["whoami"]).await[0]["primary"], rotated[0]["primary"]);
    let shown = alice.json(&["identity", "show"]).await;
    assert_eq!(shown[0]["old"], json!([old[0]["primary"]]));

    let bob = User::registered("bobby", url).await;
    bob.must(&["send", "alice", "hello"]).await;
    assert_eq!(alice.json(&["inbox"]).await[0]["body"], "hello");
    let log = bob.json(&["sigchain", "verify", "alice"]).await;
    let keys = json!([
        {"key": old[0]["primary"], "since_seq": 0}, {"key": rotated[0]["primary"], "since_seq": 1},
    ]);
    assert_eq!((&log[0]["id"], &log[0]["keys"]), (&old[0]["primary"], &keys));

    // The old words are told so, and sign nothing any more; the new ones bring everything back.
    let late = User::at(url);
    assert_eq!(late.restore(old[0]["phrase"].as_str().unwrap()).await["address"], Value::Null);
    let add = ["--server-url", url, "sigchain", "add", "github:alice"];
    let why = late.fails(&add).await;
    assert!(
        why.contains("another key") && why.contains("identity from-mnemonic") && !why.contains("--home"),
        "{why}"
    );
    assert!(late.fails(&["--server-url", url, "sigchain", "rotate", "--yes"]).await.contains("another key"));
    assert_eq!(rotated[0].get("phrase"), None, "nobody asked for words");
    let restored = late.restore(&words(&alice).await).await;
    assert_eq!(
        (&restored["primary"], &restored["address"]),
        (&rotated[0]["primary"], &json!("alice@kez.test"))
    );
    assert_eq!(late.json(&["identity", "show"]).await[0]["old"], json!([old[0]["primary"]]));
    late.must(&["sigchain", "add", "github:alice"]).await;
}

#[tokio::test]
async fn a_change_whose_answers_were_lost_goes_on_with_the_same_key() {
    let deployment = with_logs(1).await;
    let url = deployment.url(0);
    let alice = User::registered("alice", url).await;
    alice.must(&["sigchain", "add", "github:alice"]).await;
    let old = fs::read_to_string(alice.home().join("identity.key")).unwrap();
    let lossy = Lossy::start(url, usize::MAX).await;
    let why = alice.fails(&["--server-url", &lossy.url, "sigchain", "rotate", "--yes"]).await;
    assert!(why.contains(&lossy.url), "{why}");

    // The server has the event, and the key file has the old key.
    let next = fs::read_to_string(alice.home().join("next.key")).unwrap();
    assert_eq!(fs::read_to_string(alice.home().join("identity.key")).unwrap(), old);
    assert!(alice.run(&["inbox"]).await.stderr.contains("kez sigchain rotate"));
    let rotated = alice.json(&["sigchain", "rotate"]).await;
    assert_eq!(rotated[0]["primary"], key_of(url, "alice").await);
    assert_eq!(fs::read_to_string(alice.home().join("identity.key")).unwrap(), next);
    assert!(!alice.home().join("next.key").exists());
    assert_eq!(alice.json(&["sigchain", "verify"]).await[0]["head"]["seq"], 1);
    alice.must(&["inbox"]).await;
}

#[tokio::test]
async fn a_key_that_is_somebodys_is_refused_and_nothing_changes() {
    let deployment = with_logs(1).await;
    let url = deployment.url(0);
    let (alice, bob) = (User::registered("alice", url).await, User::registered("bobby", url).await);
    let before = alice.json(&["whoami"]).await;
    let theirs = bob.home().join("identity.key");
    let why = alice.fails(&["sigchain", "rotate", "--yes", "--new-key", theirs.to_str().unwrap()]).await;
    assert!(why.contains("key_in_use"), "{why}");
    assert_eq!(alice.json(&["whoami"]).await, before);
    assert!(!alice.home().join("next.key").exists());
    alice.must(&["sigchain", "rotate", "--yes"]).await;
}

/// Its folder has the old key, and no log or an old one.
#[tokio::test]
async fn a_second_device_comes_along_and_keeps_what_it_knows() {
    let deployment = with_logs(1).await;
    let url = deployment.url(0);
    let alice = User::registered("alice", url).await;
    let bob = User::registered("bobby", url).await;
    alice.must(&["sigchain", "add", "github:alice"]).await;
    let [without, with] = [another_device(&alice), another_device(&alice)];
    with.must(&["sigchain", "show"]).await;
    let old = alice.primary();
    alice.must(&["sigchain", "rotate", "--yes"]).await;
    let words = words(&alice).await;
    for device in [without, with] {
        device.must(&["send", "bobby", "by the old key"]).await;
        let pins = fs::read(device.home().join("pins.json")).unwrap();
        assert_eq!(device.restore(&words).await["address"], "alice@kez.test");
        assert_eq!(device.primary(), alice.primary());
        assert_eq!(device.json(&["identity", "show"]).await[0]["old"], json!([old]));
        assert_eq!(fs::read(device.home().join("pins.json")).unwrap(), pins);
        device.must(&["inbox"]).await;
        device.must(&["send", "bobby", "by the new key"]).await;
    }
    // Somebody else's words change nothing there.
    let before = bob.primary();
    let mut command = bob.command(&["--server-url", url, "identity", "from-mnemonic"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(words.as_bytes()).await.unwrap();
    let output = within("it ends", child.wait_with_output()).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("kez --home DIR"), "{output:?}");
    assert_eq!(bob.primary(), before);
}
