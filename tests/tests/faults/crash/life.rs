use kez_tests::{ChatServer, Person, http, person::send};
use nix::sys::signal::Signal;
use serde_json::json;

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
    let info = http::get(format!("{}/v1/server", server.url())).await.text().await.unwrap();

    server.process.signal(Signal::SIGINT);
    assert_eq!(server.process.ended().await.code(), Some(0));
    assert_eq!(nats_servers(dir.path()), [0; 0], "it must not outlive its parent");

    let server = ChatServer::start(dir.path()).await;
    assert_eq!(alice.looked_up(server.url()).await, record);
    assert_eq!(alice.mail(server.url()).await, mail);
    assert_eq!(http::get(format!("{}/v1/server", server.url())).await.text().await.unwrap(), info, "cursors still count");
    let again = send(server.url(), "alice", json!({"n": 0})).await;
    let again: serde_json::Value = again.json().await.unwrap();
    assert_eq!((again["seq"].as_u64(), again["duplicate"].as_bool()), (Some(mail[0].0), Some(true)), "a retry is still known");
}
