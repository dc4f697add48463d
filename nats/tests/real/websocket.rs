//! The listener for browsers, and TLS on both listeners.

use std::{fs, path::Path};

use async_nats::ConnectOptions;
use kez_nats::config::Tls;
use kez_proto::subjects::Role;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use crate::support::{DEADLINE, ORIGIN, Server};

/// The head of the answer to a page of this site that asks for a WebSocket; of no page, as from a program.
async fn upgrade(server: &Server, origin: Option<&str>) -> Vec<String> {
    let address = server.websocket;
    let origin = origin.map(|o| format!("Origin: {o}\r\n")).unwrap_or_default();
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\n{origin}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut head = vec![];
    while let Some(line) = timeout(DEADLINE, lines.next_line()).await.unwrap().unwrap() {
        if line.is_empty() {
            break;
        }
        head.push(line);
    }
    head
}

#[tokio::test]
async fn pages_of_the_named_sites_are_taken_and_no_others() {
    let named = [ORIGIN, "http://127.0.0.1:6969"];
    let server = Server::start_as(
        |config| {
            let origins = named.iter().map(|o| o.parse().unwrap()).collect();
            config.websocket.as_mut().unwrap().origins = origins;
        },
        |conf| conf,
    );
    let server = server.await;
    for origin in named {
        assert!(upgrade(&server, Some(origin)).await[0].contains(" 101 "), "{origin}");
    }
    for foreign in [
        "https://foreign.test",
        "http://web.kez.test",
        "https://web.kez.test:8443",
        "https://web.kez.test.foreign.test",
        "https://foreign.test/https://web.kez.test",
        "http://127.0.0.1:6970",
        "null",
    ] {
        assert!(upgrade(&server, Some(foreign)).await[0].contains(" 403 "), "{foreign}");
    }
    let program = upgrade(&server, None).await;
    assert!(program[0].contains(" 101 "), "a program has no origin: {program:?}");
    assert!(
        !program.iter().any(|line| line.to_lowercase().contains("deflate")),
        "no compression: {program:?}"
    );
}

/// A certificate for this machine, and the files of it.
fn certificate(dir: &Path) -> Tls {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let tls = Tls { cert: dir.join("cert.pem"), key: dir.join("key.pem") };
    fs::write(&tls.cert, cert.pem()).unwrap();
    fs::write(&tls.key, signing_key.serialize_pem()).unwrap();
    tls
}

#[tokio::test]
async fn both_listeners_speak_tls_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (tls, other) = (certificate(dir.path()), tempfile::tempdir().unwrap());
    let server = Server::start_as(
        |config| {
            config.tls = Some(tls.clone());
            config.websocket.as_mut().unwrap().tls = Some(tls.clone());
        },
        |conf| conf,
    );
    let server = server.await;
    let login = |trusted: &Path| {
        let seed = fs::read_to_string(server.keys.seed_file(Role::Gateway)).unwrap();
        let options = ConnectOptions::with_nkey(seed.trim().into()).add_root_certificates(trusted.into());
        options.custom_inbox_prefix(Role::Gateway.inbox_prefix())
    };
    let (clients, browsers) = (server.address.port(), server.websocket.port());
    for url in [format!("tls://localhost:{clients}"), format!("wss://localhost:{browsers}")] {
        let client = timeout(DEADLINE, login(&tls.cert).connect(&url)).await.unwrap();
        client.unwrap_or_else(|e| panic!("{url}: {e}"));
        let stranger = certificate(other.path()).cert;
        let outcome = timeout(DEADLINE, login(&stranger).connect(&url)).await.unwrap();
        assert!(outcome.is_err(), "{url} showed a certificate that nobody gave it");
    }
    let plain =
        timeout(DEADLINE, login(&tls.cert).connect(format!("ws://localhost:{browsers}"))).await.unwrap();
    assert!(plain.is_err(), "browsers came in without TLS");
    // Whoever doesn't ask for TLS is told that it is needed before any credential is sent.
    let stream = TcpStream::connect(server.address).await.unwrap();
    let info = BufReader::new(stream).lines().next_line().await.unwrap().unwrap();
    assert!(info.contains("\"tls_required\":true"), "{info}");
}

#[tokio::test]
async fn a_plain_listener_for_browsers_goes_with_tls_for_clients() {
    let dir = tempfile::tempdir().unwrap();
    let tls = certificate(dir.path());
    let server = Server::start_as(|config| config.tls = Some(tls), |conf| conf).await;
    assert!(upgrade(&server, Some(ORIGIN)).await[0].contains(" 101 "));
}

#[tokio::test]
async fn a_service_comes_in_over_a_websocket_too() {
    let server = Server::start().await;
    let seed = fs::read_to_string(server.keys.seed_file(Role::Gateway)).unwrap();
    let options = ConnectOptions::with_nkey(seed.trim().into());
    let client = options.custom_inbox_prefix(Role::Gateway.inbox_prefix());
    timeout(DEADLINE, client.connect(format!("ws://{}", server.websocket))).await.unwrap().unwrap();
}
