//! `kez` over `tls://` and `wss://`, where an authority of one's own vouches for nats-server.

use std::fs;

use kez_tests::{ChatServer, Process, tls::Authority, within};
use tempfile::TempDir;

use super::{User, listening::Listening};

/// A server whose nats-server shows a certificate.
struct Server {
    server: ChatServer,
    authority: Authority,
    _dir: TempDir,
}

impl Server {
    /// With a certificate for this name.
    async fn start(name: &str) -> Self {
        let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::default());
        let files = authority.certify(name);
        let db = dir.path().join("db");
        let mut arguments = ChatServer::arguments(&db, "127.0.0.1:0");
        let tls = ["--nats-tls-cert", &files.cert, "--nats-tls-key", &files.key];
        let listeners = ["--nats-bind", "127.0.0.1:0", "--nats-ws-bind", "127.0.0.1:0"];
        arguments.extend(tls.into_iter().chain(listeners).map(String::from));
        let mut process = Process::spawn("kez-chat-server", &arguments);
        process.ready().await;
        Self { server: ChatServer { process, db }, authority, _dir: dir }
    }

    /// Both doors, by this machine's address.
    fn addresses(&self) -> [String; 2] {
        ["nats", "nats_ws"].map(|door| format!("--nats={}", self.server.process.address(door)))
    }
}

#[tokio::test]
async fn mail_goes_both_ways_where_the_authority_is_named() {
    let server = Server::start("127.0.0.1").await;
    let [tls, wss] = server.addresses();
    assert!(tls.starts_with("--nats=tls://127.0.0.1:") && wss.starts_with("--nats=wss://127.0.0.1:"));
    let ca = server.authority.file();
    let (alice, bob) = (
        User::registered("alice", server.server.url()).await,
        User::registered("bobby", server.server.url()).await,
    );
    for (listens, sends, body) in [(&tls, &wss, "over a WebSocket"), (&wss, &tls, "over TCP")] {
        let mut listening = Listening::start(&bob, &[listens, "--nats-ca", &ca]).await;
        alice.must(&["send", sends, "--nats-ca", &ca, "bobby", body]).await;
        assert!(listening.line().await.ends_with(&format!("alice@kez.test: {body}")));
        assert!(listening.interrupt().await.is_empty());
    }
    // nats-server asks for TLS; and either of several addresses does.
    let both = format!("{wss},{}", tls.trim_start_matches("--nats="));
    alice.must(&["send", &both, "--nats-ca", &ca, "bobby", "over any"]).await;
    // Where the system trusts the authority, nothing is to be named.
    for address in [&tls, &wss, &tls.replace("tls://", "nats://")] {
        let mut send = alice.command(&["send", address, "bobby", "hello"]);
        let sent = within("it ends", send.env("SSL_CERT_FILE", &ca).output()).await.unwrap();
        assert!(sent.status.success(), "{address}: {sent:?}");
    }
}

#[tokio::test]
async fn a_server_that_cannot_prove_its_name_gets_no_login() {
    let (server, other_name) = (Server::start("127.0.0.1").await, Server::start("other.test").await);
    let alice = User::registered("alice", server.server.url()).await;
    let (ca, stranger) = (server.authority.file(), Authority::default());
    let other = stranger.file();
    let refused = async |address: &str, ca: &[&str], words: &[&str]| {
        for command in [&["send", "alice", "hello"][..], &["listen"]] {
            let why = alice.fails(&[command, &[address], ca].concat()).await;
            let said =
                words.iter().chain(&["can't be trusted", "--nats-ca FILE"]).all(|word| why.contains(word));
            assert!(
                said && why.lines().filter(|line| line.contains("trusted")).count() == 1,
                "{address}: {why}"
            );
        }
    };
    for address in server.addresses() {
        let nobody = ["nobody who is trusted here vouches for its certificate"];
        refused(&address, &[], &nobody).await;
        refused(&address, &["--nats-ca", &other], &nobody).await;
    }
    for address in other_name.addresses() {
        refused(&address, &["--nats-ca", &other_name.authority.file()], &["127.0.0.1", "other.test"]).await;
    }
    // What asks for TLS when it is reached is held to the same.
    let [tls, wss] = server.addresses();
    refused(&tls.replace("tls://", "nats://"), &[], &["vouches"]).await;

    let usage = async |arguments: &[&str], words: &[&str]| {
        let ended = alice.run(&[&["listen"], arguments].concat()).await;
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(words.iter().all(|word| ended.stderr.contains(word)), "{}", ended.stderr);
    };
    let missing = format!("{ca}.missing");
    let empty = format!("{ca}.empty");
    fs::write(&empty, "no certificate").unwrap();
    usage(&[&tls, "--nats-ca", &missing], &["--nats-ca", &missing]).await;
    usage(&[&tls, "--nats-ca", &empty], &["--nats-ca", &empty, "no certificate"]).await;
    usage(&["--nats-ca", &ca], &["--nats"]).await;
    for plain in [tls.replace("tls://", "nats://"), wss.replace("wss://", "ws://")] {
        usage(&[&plain, "--nats-ca", &ca], &["tls://", "wss://"]).await;
    }
}
