//! Several servers on one machine, each with its folder and address.

use std::{fs, net::TcpListener, path::Path};

use kez_tests::{ChatServer, Person, Process, http, person::send};
use serde_json::json;
use tempfile::TempDir;

const USUAL: u16 = 4222;

#[tokio::test]
async fn the_usual_nats_port_may_be_taken() {
    // By us; or by somebody else, who may give it back meanwhile.
    let taken = TcpListener::bind(("127.0.0.1", USUAL));
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let servers = [ChatServer::start(dirs[0].path()).await, ChatServer::start(dirs[1].path()).await];
    let ports = [nats_port(dirs[0].path()), nats_port(dirs[1].path())];
    assert_ne!(ports[0], ports[1]);
    assert!(taken.is_err() || !ports.contains(&USUAL), "{ports:?}");
    // Two worlds: a handle of one is free in the other.
    for server in &servers {
        let alice = Person::registered("alice", server.url()).await;
        assert_eq!(send(server.url(), "alice", json!({"by": server.url()})).await.status(), 201);
        let mail = alice.mail(server.url()).await;
        assert_eq!(mail.len(), 1);
        assert_eq!(mail[0].1, json!({"by": server.url()}));
    }
}

/// Whoever finds the usual port free may have lost it a moment later.
#[tokio::test]
async fn several_start_at_the_same_moment() {
    let dirs: Vec<_> = (0..4).map(|_| tempfile::tempdir().unwrap()).collect();
    let start =
        |dir: &TempDir| Process::spawn("kez-chat-server", &ChatServer::arguments(dir.path(), "127.0.0.1:0"));
    let mut servers: Vec<_> = dirs.iter().map(start).collect();
    for server in &mut servers {
        let url = server.ready().await.address("http");
        assert_eq!(http::get(format!("{url}/v1/server")).await.status(), 200);
    }
}

/// Where the nats-server of this data folder listens.
fn nats_port(db: &Path) -> u16 {
    let config = fs::read_to_string(db.join("nats/server.conf")).unwrap();
    let port = config.lines().find_map(|line| line.strip_prefix("port:"));
    port.unwrap().trim().parse().unwrap()
}
