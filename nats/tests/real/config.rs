use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, path::Path, time::Duration};

use kez_nats::{
    Error, Keys, Server, conf,
    config::{Cluster, Sync, WebSocket},
};
use tempfile::TempDir;

use crate::support::nats_server;

fn fresh() -> (TempDir, Keys, Server) {
    let dir = tempfile::tempdir().unwrap();
    let keys = Keys::load_or_create(&dir.path().join("keys")).unwrap();
    let server = Server::new("n1", "127.0.0.1:0".parse().unwrap(), dir.path().join("data"));
    (dir, keys, server)
}

fn check(dir: &TempDir, text: &str) -> Result<(), Error> {
    let conf = dir.path().join("nats.conf");
    fs::write(&conf, text).unwrap();
    nats_server().check(&conf)
}

#[test]
fn nats_server_takes_every_shape_of_it() {
    let (dir, keys, mut server) = fresh();
    check(&dir, &server.render(&keys).unwrap()).unwrap();
    for partitions in [1, 16, 64] {
        server.partitions = partitions;
        check(&dir, &server.render(&keys).unwrap()).unwrap();
    }
    server.sync = Sync::Interval(Duration::from_secs(120));
    server.ports_dir = Some(dir.path().join("ports"));
    server.pid_file = Some(dir.path().join("pid"));
    server.log_file = Some(dir.path().join("log"));
    server.listen = "[::1]:4222".parse().unwrap();
    let text = server.render(&keys).unwrap();
    check(&dir, &text).unwrap();
    assert!(text.contains("host: \"::1\"\n") && text.contains("port: 4222\n"), "{text}");
    assert!(text.contains("sync_interval: \"120000ms\"\n"), "{text}");
}

fn websocket(listen: &str, origins: &[&str]) -> WebSocket {
    let origins = origins.iter().map(|o| o.parse().unwrap()).collect();
    WebSocket { listen: listen.parse().unwrap(), tls: None, origins }
}

fn cluster(keys: &Keys) -> Cluster {
    let (listen, secret) = ("127.0.0.1:6222".parse().unwrap(), keys.route_secret().unwrap());
    let routes = vec!["n2.test:6222".into(), "[::1]:6222".into()];
    Cluster { name: "kez".into(), listen, routes, secret, tls: None }
}

#[test]
fn nats_server_takes_browsers_monitoring_and_a_cluster() {
    let (dir, keys, mut server) = fresh();
    server.websocket = Some(websocket("[::1]:8443", &["https://kez.test", "http://127.0.0.1:6969"]));
    server.monitor = Some("127.0.0.1:8222".parse().unwrap());
    server.cluster = Some(cluster(&keys));
    let text = server.render(&keys).unwrap();
    check(&dir, &text).unwrap();
    for part in [
        "compression: false",
        "\"https://kez.test\"",
        "http: \"127.0.0.1:8222\"",
        "no_tls: true",
        "no_advertise: true",
        "@n2.test:6222\"",
    ] {
        assert!(text.contains(part), "{part} isn't in {text}");
    }
}

#[test]
fn what_would_open_a_door_is_not_written() {
    let (_dir, keys, server) = fresh();
    let refused = |change: &dyn Fn(&mut Server)| {
        let mut server = server.clone();
        change(&mut server);
        assert!(matches!(server.render(&keys), Err(Error::ConfigRefused(_))));
    };
    refused(&|s| s.websocket = Some(websocket("127.0.0.1:8443", &[])));
    refused(&|s| s.monitor = Some("0.0.0.0:8222".parse().unwrap()));
    for secret in ["", "a b", "a@b", "a:b"] {
        refused(&|s| s.cluster = Some(Cluster { secret: secret.into(), ..cluster(&keys) }));
    }
    refused(&|s| {
        s.cluster = Some(Cluster { listen: "127.0.0.1:0".parse().unwrap(), ..cluster(&keys) });
    });
}

#[test]
fn we_read_what_nats_server_reads() {
    let (dir, keys, mut server) = fresh();
    server.websocket = Some(websocket("127.0.0.1:8443", &["https://kez.test"]));
    server.cluster = Some(cluster(&keys));
    server.pid_file = Some(dir.path().join(r#"with "quotes" and \back\slashes"#));
    let (ours, theirs) = (dir.path().join("ours"), dir.path().join("theirs"));
    fs::write(&theirs, server.render(&keys).unwrap()).unwrap();
    fs::write(&ours, conf::read(&theirs).unwrap().to_string()).unwrap();
    let digest = nats_server().digest(&theirs).unwrap();
    assert!(digest.starts_with("sha256:"), "{digest}");
    assert_eq!(nats_server().digest(&ours).unwrap(), digest);
    fs::write(&ours, fs::read_to_string(&theirs).unwrap().replace("always", "1m")).unwrap();
    assert_ne!(nats_server().digest(&ours).unwrap(), digest);
}

#[test]
fn the_defaults_that_matter() {
    let (_dir, keys, server) = fresh();
    let text = server.render(&keys).unwrap();
    for part in [
        "sync_interval: \"always\"",
        "port: -1",
        "max_payload: 1048576",
        "system_account: SYS",
        "jetstream: enabled",
    ] {
        assert!(text.contains(part), "{part} isn't in {text}");
    }
    for part in [
        "no_auth_user:",
        "http:",
        "http_port:",
        "monitor_port:",
        "websocket",
        "cluster {",
        "tls {",
        "_INBOX.>",
    ] {
        assert!(!text.contains(part), "{part} is in {text}");
    }
    assert_eq!(text.matches("jetstream").count(), 2, "the server's, and the services' account alone");
    assert!(!text.contains("SUA"), "no seed");
}

#[test]
fn a_value_stays_a_value() {
    let (dir, keys, mut server) = fresh();
    for odd in [
        r#"with "quotes" inside"#,
        r"back\slash\x41\",
        "$HOME",
        "a # comment",
        "a } b ] c",
        "a\u{2028}é",
        "include 'x'",
        "-1",
        "true",
        "'",
    ] {
        server.pid_file = Some(dir.path().join(odd));
        check(&dir, &server.render(&keys).unwrap()).unwrap_or_else(|e| panic!("{odd}: {e}"));
    }
    for odd in ["a\nport: 1", "a\tb", "a\0b", "a\u{85}b"] {
        server.pid_file = Some(dir.path().join(odd));
        assert!(matches!(server.render(&keys), Err(Error::ConfigRefused(_))), "{odd:?}");
    }
    server.pid_file = Some(Path::new(OsStr::from_bytes(b"/tmp/\xff")).into());
    assert!(matches!(server.render(&keys), Err(Error::ConfigRefused(_))));
    server.pid_file = None;
    server.sync = Sync::Interval(Duration::ZERO);
    assert!(matches!(server.render(&keys), Err(Error::ConfigRefused(_))));
}

#[test]
fn paths_are_absolute() {
    let (_dir, keys, mut server) = fresh();
    server.data = "some/data".into();
    let here = std::env::current_dir().unwrap();
    assert!(server.render(&keys).unwrap().contains(&format!("store_dir: \"{}/some/data\"", here.display())));
}
