//! The listeners of the nats-server that is started: where browsers come from, and TLS.

use std::{fs, path::Path};

use kez_tests::{ChatServer, Process, http};
use nix::sys::signal::{Signal, kill};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::StatusCode;

use super::{arguments, refused};

#[tokio::test]
async fn browsers_of_other_machines_need_tls_or_a_proxy() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    let outcome = refused(&arguments(&db, &[("--nats-ws-bind", "0.0.0.0:0")])).await;
    outcome.in_one_line(
        2,
        &["--nats-ws-bind 0.0.0.0:0", "--nats-tls-cert", "--nats-tls-key", "--nats-ws-plain"],
    );
    outcome.and_nothing_else();
    assert!(!db.exists());

    let mut flags = arguments(&db, &[("--nats-ws-bind", "0.0.0.0:0")]);
    flags.push("--nats-ws-plain".into());
    let mut behind_a_proxy = Process::spawn("kez-chat-server", &flags);
    assert!(behind_a_proxy.ready().await.address("nats_ws").starts_with("ws://127.0.0.1:"));
}

#[tokio::test]
async fn clients_of_other_machines_need_tls_or_a_word_of_the_operators() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    for bind in ["0.0.0.0:0", "[::]:0"] {
        // That browsers may come without says nothing about clients.
        let mut flags = arguments(&db, &[("--nats-bind", bind)]);
        flags.push("--nats-ws-plain".into());
        let outcome = refused(&flags).await;
        let words = [&format!("--nats-bind {bind}"), "--nats-tls-cert", "--nats-tls-key", "--nats-plain"];
        outcome.in_one_line(2, &words).and_nothing_else();
    }
    assert!(!db.exists());

    let mut flags = arguments(&db, &[("--nats-bind", "0.0.0.0:0")]);
    flags.push("--nats-plain".into());
    let mut private = Process::spawn("kez-chat-server", &flags);
    private.ready().await;
    assert!(private.address("nats").starts_with("nats://127.0.0.1:"));
    let info: serde_json::Value =
        http::get(format!("{}/v1/server", private.address("http"))).await.json().await.unwrap();
    let told = (&info["nats"]["url"], info["nats"]["websocket_url"].as_str().unwrap_or_default());
    assert!(told.0.is_null() && told.1.starts_with("ws://127.0.0.1:"), "{info}");
}

#[tokio::test]
async fn a_certificate_may_be_for_browsers_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(dir.path());
    let given = [("--nats-tls-cert", cert.as_str()), ("--nats-tls-key", &key), ("--nats-bind", "0.0.0.0:0")];
    let mut flags = arguments(&dir.path().join("db"), &given);
    flags.push("--nats-plain".into());
    let mut server = Process::spawn("kez-chat-server", &flags);
    server.ready().await;
    let (clients, browsers) = (server.address("nats"), server.address("nats_ws"));
    assert!(clients.starts_with("nats://") && browsers.starts_with("wss://"), "{clients} {browsers}");
}

#[tokio::test]
async fn files_of_tls_that_cannot_be_used_are_named_with_their_flag() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    let (cert, key) = certificate(dir.path());
    let missing = dir.path().join("missing.pem").display().to_string();
    let given = |cert: &str, key: &str| arguments(&db, &[("--nats-tls-cert", cert), ("--nats-tls-key", key)]);
    let outcome = refused(&given(&missing, &key)).await;
    outcome.in_one_line(2, &[&missing, "--nats-tls-cert"]).and_nothing_else();
    let outcome = refused(&given(&cert, dir.path().to_str().unwrap())).await;
    outcome.in_one_line(2, &[dir.path().to_str().unwrap(), "--nats-tls-key"]).and_nothing_else();
    assert!(!db.exists());
    for alone in ["--nats-tls-cert", "--nats-tls-key"] {
        let outcome = refused(&arguments(&db, &[(alone, &cert)])).await;
        assert!(outcome.code == 2 && outcome.stderr.contains("--nats-tls-"), "{}", outcome.stderr);
    }
    // Files that are there and hold something else.
    refused(&given(&key, &cert)).await.in_one_line(2, &["--nats-tls-cert", "certificate"]);
}

/// Files of a certificate for a name that this machine hasn't.
fn certificate(dir: &Path) -> (String, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["kez.test".to_owned()]).unwrap();
    let files = [dir.join("cert.pem"), dir.join("key.pem")];
    fs::write(&files[0], cert.pem()).unwrap();
    fs::write(&files[1], signing_key.serialize_pem()).unwrap();
    let [cert, key] = files.map(|file| file.display().to_string());
    (cert, key)
}

#[tokio::test]
async fn with_tls_the_services_still_come_in_also_when_the_certificate_is_renewed() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(dir.path());
    let db = dir.path().join("db");
    let flags =
        arguments(&db, &[("--nats-tls-cert", &cert), ("--nats-tls-key", &key), ("--nats-bind", "0.0.0.0:0")]);
    let process = Process::spawn("kez-chat-server", &flags);
    let mut server = ChatServer { process, db };
    server.process.ready().await;
    assert!(server.process.address("nats").starts_with("tls://"));
    assert!(server.process.address("nats_ws").starts_with("wss://"));
    let info: serde_json::Value =
        http::get(format!("{}/v1/server", server.url())).await.json().await.unwrap();
    let told = info["nats"]["url"].as_str().unwrap();
    assert!(told.starts_with("tls://kez.test:"), "{info}");

    let before = server.nats_pid();
    certificate(dir.path());
    kill(nix::unistd::Pid::from_raw(before), Signal::SIGKILL).unwrap();
    let readyz = format!("http://{}/readyz", server.process.address("admin"));
    kez_tests::eventually("nats-server is back, and the services with it", async || {
        let pid = fs::read_to_string(server.db.join("nats/nats-server.pid")).ok()?;
        let ready = http::get(&readyz).await.status() == StatusCode::OK;
        (pid.trim().parse() != Ok(before) && ready).then_some(())
    })
    .await;
}

#[tokio::test]
async fn pages_of_this_server_come_in_and_others_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let flags = [("--nats-ws-origin", "https://app.kez.test"), ("--public-url", "https://chat.kez.test")];
    let mut server = Process::spawn("kez-chat-server", &arguments(dir.path(), &flags));
    server.ready().await;
    let port = server.address("http").rsplit_once(':').unwrap().1.to_owned();
    let url = server.address("nats_ws").replace("ws://", "http://");
    let upgrade = async |origin: &str| {
        let request = http::client().get(&url).header("origin", origin).header("connection", "Upgrade");
        let request = request.header("upgrade", "websocket").header("sec-websocket-version", "13");
        request.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==").send().await.unwrap().status()
    };
    for own in [
        "https://app.kez.test".into(),
        "https://chat.kez.test".into(),
        format!("http://127.0.0.1:{port}"),
        format!("http://localhost:{port}"),
    ] {
        assert_eq!(upgrade(&own).await, StatusCode::SWITCHING_PROTOCOLS, "{own}");
    }
    for foreign in ["https://kez.test", "http://app.kez.test", "http://127.0.0.1:1", "null"] {
        assert_eq!(upgrade(foreign).await, StatusCode::FORBIDDEN, "{foreign}");
    }
    // Others would look for a loopback address on their own machine.
    let info: serde_json::Value =
        http::get(format!("{}/v1/server", server.address("http"))).await.json().await.unwrap();
    assert!(info.get("nats").is_none(), "{info}");
}
