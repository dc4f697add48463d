//! Where a backup may be restored to: nowhere else, and without a trace if it fails.

use async_nats::jetstream;
use kez_proto::subjects::{self, Role};
use kez_tests::{Deployment, Person, chat_server::ChatServer, eventually, nats::nats_server, person::send};
use serde_json::json;

use super::{Operator, epoch, with_logs};

async fn streams(deployment: &Deployment) -> Vec<String> {
    let mut found = vec![];
    let client = deployment.nats.connect_as(Role::Operator).await;
    for name in [subjects::inbox_stream(0), subjects::REGISTRY_STREAM.into()] {
        let info = client.request(format!("$JS.API.STREAM.INFO.{name}"), "".into()).await.unwrap();
        if !String::from_utf8_lossy(&info.payload).contains("stream not found") {
            found.push(name);
        }
    }
    found
}

#[tokio::test]
async fn a_running_or_used_deployment_is_left_as_it_is() {
    let mut deployment = with_logs(1).await;
    let url = deployment.url(0).to_owned();
    let alice = Person::registered("alice", &url).await;
    assert_eq!(send(&url, "alice", json!({"n": 1})).await.status(), 201);
    let operator = Operator::new();
    operator.must("backup", "copy", &deployment, &[]).await;
    let before = epoch(&url).await;

    let why = operator.fails("restore", "copy", &deployment, &[]).await;
    assert!(why.contains("kez-fanout, kez-gateway") && why.contains("stop every service"), "{why}");
    deployment.end().await;
    let why = operator.fails("restore", "copy", &deployment, &[]).await;
    assert!(why.contains("isn't empty") && why.contains("new nats-server"), "{why}");
    deployment.begin().await;
    let url = deployment.url(0);
    assert_eq!((epoch(url).await, alice.mail(url).await.len()), (before, 1));
}

#[tokio::test]
async fn what_services_made_at_a_first_start_and_what_was_cut_off_is_in_nobodys_way() {
    let deployment = with_logs(1).await;
    let url = deployment.url(0).to_owned();
    let alice = Person::registered("alice", &url).await;
    assert_eq!(send(&url, "alice", json!({"n": 1})).await.status(), 201);
    let operator = Operator::new();
    operator.must("backup", "copy", &deployment, &[]).await;

    // Services ran, and nobody came.
    let mut target = Deployment::alone().await;
    target.begin().await;
    target.end().await;
    // It fails on its way, and can be done again.
    let why = operator.fails("restore", "copy", &target, &["--replicas", "3"]).await;
    assert!(why.contains("--replicas 1"), "{why}");
    assert_eq!(streams(&target).await, [""; 0]);
    // A restore that was killed on its way.
    let client = target.nats.connect_as(Role::Fanout).await;
    let rest = jetstream::stream::Config {
        name: subjects::inbox_stream(0),
        subjects: vec![subjects::store_of_partition(0)],
        metadata: [("kez.restoring".to_owned(), "e1".to_owned())].into(),
        ..Default::default()
    };
    let request = serde_json::to_vec(&rest).unwrap();
    client.request("$JS.API.STREAM.CREATE.KEZ_INBOX_0", request.into()).await.unwrap();
    client.publish("kez.store.inbox.0.somebody", "{}".into()).await.unwrap();
    client.flush().await.unwrap();
    // Somebody started a registry then, which knew of nothing.
    let mut registry = target.registry(0);
    registry.ready().await;
    assert!(registry.terminate().await.success());
    operator.must("restore", "copy", &target, &[]).await;
    target.begin().await;
    assert_eq!(alice.mail(target.url(0)).await.len(), 1);
}

#[tokio::test]
async fn the_server_that_is_one_process_is_copied_and_restored_by_its_own_nats_server() {
    let folder = tempfile::tempdir().unwrap();
    let (db, other) = (folder.path().join("db"), folder.path().join("other"));
    let mut server = ChatServer::start(&db).await;
    let alice = Person::registered("alice", server.url()).await;
    assert_eq!(send(server.url(), "alice", json!({"n": 1})).await.status(), 201);
    let operator = Operator::new();
    let run = async |verb: &str, db: &std::path::Path| {
        let ports = std::fs::read_to_string(db.join("nats/server.conf")).unwrap();
        let port = ports.lines().find_map(|line| line.strip_prefix("port: ")).unwrap();
        let (url, nkey) = (format!("nats://127.0.0.1:{port}"), db.join("nats/keys/operator.nk"));
        let (copy, nkey) = (operator.dir("copy"), nkey.to_str().unwrap());
        operator.0.run(&[verb, copy.to_str().unwrap(), "--nats-url", &url, "--nkey", nkey]).await
    };
    let ended = run("backup", &db).await;
    assert_eq!(ended.status, Some(0), "{}", ended.stderr);
    let before = epoch(server.url()).await;
    assert!(server.process.terminate().await.success());

    // Its nats-server alone, with the configuration of a first start.
    let mut server = ChatServer::start(&other).await;
    assert!(server.process.terminate().await.success());
    let conf = other.join("nats/server.conf");
    let mut nats =
        tokio::process::Command::new(nats_server()).arg("-c").arg(conf).kill_on_drop(true).spawn().unwrap();
    eventually("it is restored", async || {
        let ended = run("restore", &other).await;
        assert!(ended.status == Some(0) || ended.stderr.contains("can't reach"), "{}", ended.stderr);
        (ended.status == Some(0)).then_some(())
    })
    .await;
    nats.kill().await.unwrap();
    let server = ChatServer::start(&other).await;
    assert_eq!(alice.mail(server.url()).await.len(), 1);
    assert_ne!(epoch(server.url()).await, before);
}
