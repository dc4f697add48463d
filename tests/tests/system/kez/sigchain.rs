//! The identity log: what it says to others, who else writes to it, and that it outlives answers and servers.

use std::fs;

use kez_tests::http::client;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{User, lossy::Lossy, with_logs};

/// The accounts that a log has come to.
fn accounts(log: &Value) -> Vec<&str> {
    log["subjects"].as_array().unwrap().iter().map(|s| s["subject"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_one_says_others_verify() {
    let deployment = with_logs(1).await;
    let url = deployment.url(0);
    let alice = User::registered("alice", url).await;
    assert!(alice.fails(&["sigchain", "show"]).await.contains("kez sigchain add"));
    let proof = "https://gist.github.com/alice/1";
    let first = alice.json(&["sigchain", "add", "github:Alice", "--proof-url", proof]).await;
    assert_eq!((&first[0]["seq"], &first[0]["already"]), (&json!(0), &json!(false)));
    let again = alice.json(&["sigchain", "add", "github:alice", "--proof-url", proof]).await;
    assert_eq!(again, [json!({"already": true})]);
    alice.must(&["sigchain", "add", "dns:alice.example"]).await;
    alice.must(&["sigchain", "add-device", "UDX", "Alice's phone"]).await;
    alice.must(&["sigchain", "revoke", "dns:alice.example"]).await;
    assert!(alice.fails(&["sigchain", "revoke", "dns:alice.example"]).await.contains("kez sigchain show"));

    let bob = User::registered("bobby", url).await;
    let seen = bob.json(&["sigchain", "show", "alice"]).await;
    assert_eq!(seen, alice.json(&["sigchain", "show"]).await);
    assert_eq!((seen[0]["head"]["seq"].as_u64(), accounts(&seen[0])), (Some(3), vec!["github:alice"]));
    assert_eq!(seen[0]["subjects"][0]["proof_url"], proof);
    assert_eq!(seen[0]["devices"][0]["name"], "Alice's phone");
    let key = seen[0]["id"].as_str().unwrap();
    for who in ["alice", "alice@kez.test", key] {
        assert_eq!(bob.json(&["verify", who]).await[0]["outcome"], "good", "{who}");
    }
    assert!(bob.fails(&["verify", "bobby"]).await.contains("unknown_chain"));
    assert!(bob.fails(&["verify", "alice@elsewhere.test"]).await.contains("--server-url"));

    let lines = alice.must(&["sigchain", "export"]).await;
    let (system, id) = key.split_once(':').unwrap();
    let served =
        client().get(format!("{url}/v1/sigchains/{system}/{id}")).header("accept", "application/jsonl");
    assert_eq!(served.send().await.unwrap().text().await.unwrap(), lines);
    let file = bob.home().join("alice.jsonl");
    fs::write(&file, lines).unwrap();
    assert_eq!(bob.json(&["verify", file.to_str().unwrap()]).await[0]["head"], seen[0]["head"]);
}

#[tokio::test]
async fn two_devices_write_at_the_same_time() {
    let deployment = with_logs(2).await;
    let url = deployment.url(0);
    let phone = User::at(url);
    let made = phone.json(&["identity", "new", "--words"]).await;
    phone.must(&["register", "alice"]).await;
    let laptop = User::at(deployment.url(1));
    laptop.restore(made[0]["phrase"].as_str().unwrap()).await;

    let mut writing = JoinSet::new();
    for (device, name) in [(phone, "phone"), (laptop, "laptop")] {
        writing.spawn(async move {
            for n in 0..4 {
                device.must(&["sigchain", "add", &format!("github:{name}-{n}")]).await;
            }
            device
        });
    }
    for device in writing.join_all().await {
        let log = device.json(&["sigchain", "verify"]).await;
        assert_eq!((log[0]["head"]["seq"].as_u64(), accounts(&log[0]).len()), (Some(7), 8));
    }
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_event() {
    let deployment = with_logs(1).await;
    let alice = User::registered("alice", deployment.url(0)).await;
    let lossy = Lossy::start(deployment.url(0), 2).await;
    for seq in 0..2 {
        let add = ["--server-url", &lossy.url, "sigchain", "add", &format!("github:alice-{seq}")];
        assert_eq!(alice.json(&add).await[0]["seq"], seq);
    }
    assert_eq!(lossy.left(), 0);
    let log = alice.json(&["sigchain", "verify"]).await;
    assert_eq!((log[0]["head"]["seq"].as_u64(), accounts(&log[0]).len()), (Some(1), 2));
}

#[tokio::test]
async fn a_log_outlives_its_server() {
    let gone = with_logs(1).await;
    let alice = User::registered("alice", gone.url(0)).await;
    alice.must(&["sigchain", "add", "github:alice"]).await;
    alice.must(&["sigchain", "rotate", "--yes"]).await;
    alice.must(&["sigchain", "add", "dns:alice.example"]).await;
    let before = alice.json(&["sigchain", "show"]).await;
    drop(gone);
    assert_eq!(alice.json(&["sigchain", "show"]).await, before);

    let other = with_logs(1).await;
    let at = |arguments: &[&str]| -> Vec<String> {
        ["--server-url", other.url(0)].iter().chain(arguments).map(ToString::to_string).collect()
    };
    let run = async |arguments: &[&str]| {
        let arguments = at(arguments);
        alice.json(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
    };
    let refused = at(&["sigchain", "add", "github:too-early"]);
    let why = alice.fails(&refused.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert!(why.contains("kez sigchain publish"), "{why}");
    assert_eq!(run(&["sigchain", "publish"]).await[0]["published"], 3);
    assert_eq!(run(&["sigchain", "publish"]).await[0]["published"], 0);
    assert_eq!(run(&["sigchain", "verify"]).await[0]["head"], before[0]["head"]);
    assert_eq!(run(&["sigchain", "add", "github:alice-2"]).await[0]["seq"], 3);
}

#[tokio::test]
async fn a_log_that_differs_from_ones_own_is_found_out() {
    let (here, there) = (with_logs(1).await, with_logs(1).await);
    let alice = User::at(here.url(0));
    let made = alice.json(&["identity", "new", "--words"]).await;
    alice.must(&["register", "alice"]).await;
    alice.must(&["sigchain", "add", "github:alice"]).await;
    let before = fs::read(alice.home().join("sigchain.jsonl")).unwrap();
    let thief = User::at(there.url(0));
    thief.restore(made[0]["phrase"].as_str().unwrap()).await;
    thief.must(&["--server-url", there.url(0), "sigchain", "add", "github:mallory"]).await;

    for command in [&["verify"][..], &["add", "dns:alice.example"], &["publish"]] {
        let arguments = [&["--server-url", there.url(0), "sigchain"], command].concat();
        assert!(alice.fails(&arguments).await.contains("differ in event 0"), "{command:?}");
    }
    assert_eq!(fs::read(alice.home().join("sigchain.jsonl")).unwrap(), before);
}
