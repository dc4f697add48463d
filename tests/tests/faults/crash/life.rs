use std::fs;

use kez_tests::{ChatServer, Person, eventually, http, nats::nats_server, person::send};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::process::Command;

use super::nats_servers;

#[tokio::test]
async fn ctrl_c_stops_both_processes_and_the_next_start_finds_everything() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = ChatServer::start(dir.path()).await;
    let alice = Person::registered("alice", server.url()).await;
    let record = alice.looked_up(server.url()).await;
    for n in 0..20 {
        assert_eq!(send(server.url(), "alice", json!({"n": n})).await.status(), 201);
    }
    let mail = alice.mail(server.url()).await;
    let epoch = async |url: &str| -> Value {
        let info: Value = http::get(format!("{url}/v1/server")).await.json().await.unwrap();
        info["epoch"].clone()
    };
    let before = epoch(server.url()).await;

    server.process.signal(Signal::SIGINT);
    assert_eq!(server.process.ended().await.code(), Some(0));
    assert_eq!(nats_servers(dir.path()), [0; 0], "it must not outlive its parent");

    let server = ChatServer::start(dir.path()).await;
    assert_eq!(alice.looked_up(server.url()).await, record);
    assert_eq!(alice.mail(server.url()).await, mail);
    assert!(before.is_string());
    assert_eq!(epoch(server.url()).await, before, "cursors still count");
    let again = send(server.url(), "alice", json!({"n": 0})).await;
    let again: Value = again.json().await.unwrap();
    assert_eq!(
        (again["seq"].as_u64(), again["duplicate"].as_bool()),
        (Some(mail[0].0), Some(true)),
        "a retry is still known"
    );
}

#[tokio::test]
async fn a_nats_server_that_was_left_behind_is_ended_first() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = ChatServer::start(dir.path()).await;
    let alice = Person::registered("alice", server.url()).await;
    assert_eq!(server.process.terminate().await.code(), Some(0));

    let config = dir.path().canonicalize().unwrap().join("nats/server.conf");
    let mut left_behind =
        Command::new(nats_server()).arg("-c").arg(&config).kill_on_drop(true).spawn().unwrap();
    let pid_file = dir.path().join("nats/nats-server.pid");
    let pid = left_behind.id().unwrap().to_string();
    eventually("it runs", async || (fs::read_to_string(&pid_file).ok()?.trim() == pid).then_some(())).await;
    // Two on one store would ruin it.
    let mut server = ChatServer::start(dir.path()).await;
    assert!(left_behind.try_wait().unwrap().is_some(), "it still runs");
    alice.looked_up(server.url()).await;
    assert_eq!(nats_servers(dir.path()), [server.nats_pid()]);
    assert_eq!(server.process.terminate().await.code(), Some(0));
}
