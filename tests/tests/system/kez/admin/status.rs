//! `kez admin status`

use kez_tests::{Deployment, Person, eventually, person::send};
use serde_json::json;

use super::{Operator, with_logs};

#[tokio::test]
async fn every_instance_and_every_stream_is_shown_and_what_is_missing() {
    let mut deployment = with_logs(2).await;
    let url = deployment.url(0);
    Person::registered("alice", url).await;
    Person::registered("bobby", url).await;
    for n in 0..3 {
        assert_eq!(send(url, "alice", json!({"n": n})).await.status(), 201);
    }
    let operator = Operator::new();
    let (status, told) = operator.json(&deployment, &["status"]).await;
    assert_eq!((status, &told["problems"]), (Some(0), &json!([])), "{told}");
    let count = |name: &str| {
        told["instances"].as_array().unwrap().iter().filter(|instance| instance["name"] == name).count()
    };
    let counts = ["kez-registry", "kez-fanout", "kez-auth-callout", "kez-gateway", "kez-sigchain"].map(count);
    assert_eq!(counts, [2, 2, 2, 2, 1]);
    let expected = json!({"messages": 3, "inboxes": 1, "registry_entries": 3, "sigchain_entries": 0});
    assert_eq!((&told["counts"], told["streams"].as_array().unwrap().len()), (&expected, 18));
    let asked = told["instances"].as_array().unwrap().iter().flat_map(|i| i["endpoints"].as_array().unwrap());
    let sends =
        asked.filter(|e| e["subject"] == "kez.fanout.send").map(|e| e["num_requests"].as_u64().unwrap());
    assert_eq!(sends.sum::<u64>(), 3);

    let ended = operator.run(&deployment, &["status"]).await;
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    for words in [
        "kez.test, epoch ",
        "kez-gateway",
        "index current",
        "KEZ_INBOX_15",
        "3 messages in 1 inboxes",
        "ok  ",
    ] {
        assert!(ended.stdout.contains(words), "{words} isn't in {}", ended.stdout);
    }

    deployment.gateways.clear();
    deployment.registries.pop();
    let ended = operator.run(&deployment, &["status"]).await;
    let failures: Vec<_> = ended.stdout.lines().filter(|line| line.starts_with("FAIL")).collect();
    assert!(ended.status == Some(1) && ended.stderr.contains("1 thing is wrong"), "{}", ended.stderr);
    assert!(failures.len() == 1 && failures[0].contains("no kez-gateway answers"), "{failures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_the_cluster_that_is_away_is_told() {
    let mut deployment = Deployment::start_cluster(&[0]).await;
    deployment.add_sigchain().await;
    let operator = Operator::new();
    eventually("all is well", async || {
        (operator.run(&deployment, &["status"]).await.status == Some(0)).then_some(())
    })
    .await;
    deployment.peers[1].kill();
    eventually("the loss is told", async || {
        let ended = operator.run(&deployment, &["status"]).await;
        let told =
            ended.stdout.contains("copy") && ended.stdout.contains("n3") && ended.stdout.contains("FAIL");
        (ended.status == Some(1) && told).then_some(())
    })
    .await;
}

#[tokio::test]
async fn nobody_else_is_answered_and_it_says_what_to_do() {
    let deployment = with_logs(1).await;
    let operator = Operator::new();
    let stranger = Deployment::alone().await;
    let (url, theirs) =
        (deployment.nats.url(), stranger.nats.keys.seed_file(kez_proto::subjects::Role::Operator));
    let at = ["admin", "status", "--nats-url", &url, "--nkey", theirs.to_str().unwrap()];
    let why = operator.0.fails(&at).await;
    assert!(why.contains("doesn't know the key") && why.contains("kez nats init"), "{why}");
    let why = operator.0.fails(&["admin", "status", "--nkey", "/nowhere.nk"]).await;
    assert!(why.contains("/nowhere.nk") && why.contains("--nkey"), "{why}");
    let ended = operator.run(&stranger, &["status"]).await;
    assert!(ended.status == Some(1) && ended.stderr.contains("there is no deployment"), "{}", ended.stderr);
}
