//! A nats-server that isn't there, isn't one, is too old, or doesn't start.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{arguments, refused};

#[tokio::test]
async fn a_nats_server_that_cannot_be_used_is_told_before_a_port_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let bind = taken.local_addr().unwrap().to_string();
    let db = dir.path().join("db");
    let missing = dir.path().join("not-here");
    let old = script(dir.path(), "old", "echo 'nats-server: v2.10.0'");
    let other = script(dir.path(), "other", "echo 'something else'");
    for (path, problem) in [(missing, "can't be run"), (old, "is 2.10.0"), (other, "isn't a nats-server")] {
        let path = path.to_str().unwrap();
        let outcome = refused(&arguments(&db, &[("--bind", &bind), ("--nats-server", path)])).await;
        outcome.in_one_line(12, &[path, problem, "KEZ_NATS_SERVER"]).and_nothing_else();
        assert!(!db.exists());
    }
}

#[tokio::test]
async fn a_nats_server_that_does_not_start_is_told_with_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    let broken = script(
        dir.path(),
        "broken",
        "case $1 in --version) echo 'nats-server: v2.15.1';; -t) ;; *) exit 7;; esac",
    );
    let outcome = refused(&arguments(&db, &[("--nats-server", broken.to_str().unwrap())])).await;
    outcome.in_one_line(12, &["exit status: 7", "nats-server.log"]);
}

fn script(dir: &Path, name: &str, body: &str) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}
