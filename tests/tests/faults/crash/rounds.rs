use std::time::Instant;

use kez_tests::{ChatServer, Person, chat_server::free_port, eventually, load::Load};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::nats_servers;

const ROUNDS: u64 = 10;
const SENDERS: u64 = 6;
/// Messages of each sender in each round.
const EACH: u64 = 40;

/// The server and its nats-server die in turn, each time in the middle of a load.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_rounds_of_kill_9_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let bind = format!("127.0.0.1:{}", free_port());
    let mut server = ChatServer::start_at(dir.path(), &bind).await;
    let url = server.url().to_owned();
    let people = vec![Person::registered("alice", &url).await];
    let mut load = Load::start(std::slice::from_ref(&url), people, SENDERS);
    for round in 0..ROUNDS {
        load.allow(EACH);
        load.progress(SENDERS * EACH / 4).await;
        assert!(load.is_busy(), "the kill must fall into a load");
        let orphan = server.nats_pid();
        let begun = Instant::now();
        let who = if round % 2 == 0 {
            server.process.kill();
            // At once, on the same folder and at the same address, whatever the nats-server left behind still does.
            server = ChatServer::start_at(dir.path(), &bind).await;
            "kez-chat-server"
        } else {
            kill(Pid::from_raw(orphan), Signal::SIGKILL).unwrap();
            "nats-server"
        };
        load.progress(SENDERS).await;
        let recovered = begun.elapsed();
        load.settled().await;
        println!(
            "round {round}: kill -9 of {who}: mail is taken after {recovered:?}; {} attempts in vain",
            load.refusals().len()
        );
        assert_eq!(nats_servers(dir.path()), [server.nats_pid()], "one nats-server, and not the old one");
        assert_ne!(server.nats_pid(), orphan);
    }
    load.finish().await;
    assert_eq!(server.process.terminate().await.code(), Some(0));
    assert_eq!(nats_servers(dir.path()), [0; 0]);
}

#[tokio::test]
async fn an_orphaned_nats_server_ends_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = ChatServer::start(dir.path()).await;
    assert_eq!(nats_servers(dir.path()), [server.nats_pid()]);
    server.process.kill();
    let begun = Instant::now();
    eventually("the orphan ends", async || nats_servers(dir.path()).is_empty().then_some(())).await;
    println!("the orphaned nats-server ended after {:?}", begun.elapsed());
}
