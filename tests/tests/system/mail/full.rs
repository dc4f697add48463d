//! A full inbox and a full store refuse new mail, and lose none that was taken.

use std::process::{Child, Command, Stdio};

use kez_nats::ports;
use kez_proto::{Code, limits::PARTITIONS, partition};
use kez_tests::{
    Deployment, Person, Process, eventually,
    http::{get, refused},
    nats::nats_server,
    person::send,
};
use serde_json::{Value, json};

use super::{envelope_of, post_envelope, purge};

async fn ids(url: &str, person: &Person) -> Vec<u64> {
    person.mail(url).await.iter().map(|(_, envelope)| envelope["id"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_full_inbox_refuses_mail_until_its_owner_deletes_some() {
    let deployment = Deployment::start_with(1, &["--inbox-messages", "3"], &[]).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    Person::registered("bobby", url).await;
    for id in 0..3 {
        assert_eq!(send(url, "alice", json!({"id": id})).await.status(), 201);
    }
    for id in 3..6 {
        refused(send(url, "alice", json!({"id": id})).await, Code::InboxFull).await;
    }
    // A retry of what was taken before isn't new mail.
    let again: Value = send(url, "alice", json!({"id": 1})).await.json().await.unwrap();
    assert_eq!(again["duplicate"], true);
    assert_eq!(send(url, "bobby", json!({"id": 3})).await.status(), 201);
    assert_eq!(ids(url, &alice).await, [0, 1, 2]);

    let first = alice.mail(url).await[0].0;
    assert_eq!(purge(url, &alice, &format!("?through={first}")).send().await.unwrap().status(), 200);
    assert_eq!(send(url, "alice", json!({"id": 3})).await.status(), 201);
    refused(send(url, "alice", json!({"id": 4})).await, Code::InboxFull).await;
    assert_eq!(ids(url, &alice).await, [1, 2, 3]);
}

#[tokio::test]
async fn a_full_store_refuses_mail_until_some_is_deleted() {
    let bytes = (u64::from(PARTITIONS) * 300_000).to_string();
    let deployment = Deployment::start_with(1, &["--store-bytes", &bytes], &[]).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let elsewhere = Person::registered("bobby", url).await;
    let part = |person: &Person| partition::of(&person.handle, PARTITIONS);
    assert_ne!(part(&alice), part(&elsewhere));

    let mut taken = vec![];
    let refusal = loop {
        let id = taken.len();
        match post_envelope(url, "alice", &envelope_of(50_000, id)).await {
            answer if answer.status() == 201 => taken.push(id as u64),
            answer => break answer,
        }
    };
    refused(refusal, Code::StorageFull).await;
    assert!((3..=6).contains(&taken.len()), "{taken:?}");
    assert_eq!(ids(url, &alice).await, taken);
    assert_eq!(post_envelope(url, "bobby", &envelope_of(50_000, 1)).await.status(), 201);

    let first = alice.mail(url).await[0].0;
    assert_eq!(purge(url, &alice, &format!("?through={first}")).send().await.unwrap().status(), 200);
    assert_eq!(post_envelope(url, "alice", &envelope_of(50_000, 99)).await.status(), 201);
}

#[tokio::test]
async fn limits_follow_the_configuration_at_the_next_start_and_delete_nothing() {
    let mut deployment = Deployment::start(1).await;
    let url = deployment.url(0).to_owned();
    let alice = Person::registered("alice", &url).await;
    for id in 0..4 {
        assert_eq!(post_envelope(&url, "alice", &envelope_of(1000, id)).await.status(), 201);
    }
    assert!(deployment.fanouts.remove(0).terminate().await.success());
    // Both less than what is there.
    deployment.fanout_arguments =
        ["--inbox-messages", "2", "--store-bytes", "16000"].map(String::from).into();
    let mut fanout = deployment.fanout();
    fanout.ready().await;
    deployment.fanouts.push(fanout);

    let server: Value = get(format!("{url}/v1/server")).await.json().await.unwrap();
    assert_eq!(server["limits"]["inbox_messages"], 2);
    assert!([503, 507].contains(&send(&url, "alice", json!({"id": 4})).await.status().as_u16()));
    assert_eq!(ids(&url, &alice).await, [0, 1, 2, 3]);
}

#[tokio::test]
async fn zero_is_no_limit() {
    let none = ["--inbox-messages", "0", "--store-bytes", "0", "--mail-days", "0"];
    let deployment = Deployment::start_with(1, &none, &[]).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    for id in 0..5 {
        assert_eq!(send(url, "alice", json!({"id": id})).await.status(), 201);
    }
    assert_eq!(ids(url, &alice).await, [0, 1, 2, 3, 4]);
}

/// An operator's own NATS, without accounts, whose storage is less than our default limit.
#[tokio::test]
async fn a_nats_with_little_storage_is_taken_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().display();
    let config = format!(
        "listen: 127.0.0.1:-1, ports_file_dir: \"{path}\", jetstream {{ store_dir: \"{path}/js\", max_file_store: 1MB }}"
    );
    std::fs::write(dir.path().join("conf"), config).unwrap();
    let mut nats = Command::new(nats_server());
    nats.arg("-c").arg(dir.path().join("conf")).stdin(Stdio::null()).stderr(Stdio::null());
    let nats = KillOnDrop(nats.spawn().unwrap());
    let pid = nats.0.id();
    let address =
        eventually("nats-server listens", async || ports::addresses(dir.path(), pid).unwrap()).await.clients;
    let db = dir.path().join("db");
    let url = format!("nats://{address}");
    let flags =
        ["--db", db.to_str().unwrap(), "--bind", "127.0.0.1:0", "--server", "kez.test", "--nats-url", &url];
    let mut server = Process::spawn("kez-chat-server", &flags.map(String::from));
    let url = server.ready().await.address("http").to_owned();
    let alice = Person::registered("alice", &url).await;
    let mut taken = 0;
    loop {
        let answer = post_envelope(&url, "alice", &envelope_of(100_000, taken)).await;
        if answer.status() != 201 {
            refused(answer, Code::StorageFull).await;
            break;
        }
        taken += 1;
        assert!(taken < 20, "1 MB takes {taken} messages of 100 kB");
    }
    assert!(taken > 0);
    assert_eq!(alice.mail(&url).await.len(), taken);
}

struct KillOnDrop(Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
