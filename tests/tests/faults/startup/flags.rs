//! Flags that are wrong. The port is taken in each case: what is wrong with the configuration is told whole before a port is opened.

use std::{fs, net::TcpListener};

use super::{arguments, refused};

#[tokio::test]
async fn wrong_flags_are_told_before_a_port_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let bind = taken.local_addr().unwrap().to_string();
    let db = dir.path().join("db");
    let cases: &[(&str, &str)] = &[
        ("--server", "Not A Name"),
        ("--sig-server-url", "ftp://sig.test"),
        ("--sig-server-url", "nonsense"),
        ("--public-url", "nonsense"),
        ("--inbox-partitions", "0"),
        ("--replicas", "2"),
        ("--envelope-bytes", "262145"),
        ("--duplicate-window", "86401"),
        ("--client-ip-source", "Guess"),
        ("--web-dir", dir.path().to_str().unwrap()),
        ("--nats-bind", "nowhere"),
        ("--nats-ws-bind", "nowhere"),
        ("--nats-ws-origin", "*"),
        ("--nats-ws-origin", "https://kez.test/path"),
        ("--nats-login-minutes", "0"),
        ("--session-hours", "25"),
        ("--no-such-flag", "1"),
    ];
    for (flag, value) in cases {
        let outcome = refused(&arguments(&db, &[("--bind", &bind), (flag, value)])).await;
        let first = outcome.stderr.lines().next().unwrap_or_default();
        assert_eq!(outcome.code, 2, "{flag} {value}: {}", outcome.stderr);
        assert!(first.starts_with("error: ") && first.contains(flag), "{flag} {value}: {}", outcome.stderr);
        assert!(!db.exists(), "{flag} {value} left a data folder behind");
    }
    let outcome = refused(&arguments(&db, &[("--bind", "everywhere")])).await;
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
}

#[tokio::test]
async fn a_data_folder_that_is_a_file_is_told_before_a_port_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "precious").unwrap();
    let outcome = refused(&arguments(&file, &[("--bind", &taken.local_addr().unwrap().to_string())])).await;
    outcome.in_one_line(2, &[file.to_str().unwrap(), "--db"]).and_nothing_else();
    assert_eq!(fs::read_to_string(file).unwrap(), "precious");
}
