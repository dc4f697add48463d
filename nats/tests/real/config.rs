use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, path::Path, time::Duration};

use kez_nats::{Error, Keys, SingleServer, config::Sync};
use tempfile::TempDir;

use crate::support::nats_server;

fn fresh() -> (TempDir, Keys, SingleServer) {
    let dir = tempfile::tempdir().unwrap();
    let keys = Keys::load_or_create(&dir.path().join("keys")).unwrap();
    let server = SingleServer::new("n1", "127.0.0.1:0".parse().unwrap(), dir.path().join("data"));
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
    for part in ["no_auth_user:", "http:", "http_port:", "monitor_port:", "websocket", "_INBOX.>"] {
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
