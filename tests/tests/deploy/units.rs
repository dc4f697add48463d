//! The units of systemd.

use std::{fs, os::unix::fs::symlink, process::Command};

use kez_tests::{nats::nats_server, process::binary};

use crate::{deploy, here, must};

const SERVICES: [&str; 5] = ["registry", "fanout", "sigchain", "auth-callout", "gateway"];
/// In tenths, of 10 for a unit that is shut off from nothing.
const EXPOSURE: &str = "--threshold=15";

#[test]
fn systemd_takes_them_and_finds_them_shut_off() {
    if !here("systemd-analyze", "--version") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let programs = dir.path().join("bin");
    fs::create_dir(&programs).unwrap();
    symlink(nats_server(), programs.join("nats-server")).unwrap();
    // With the programs as they are here, since it looks whether they are there.
    let copy = |from: &str, to: &str| {
        let text = fs::read_to_string(deploy("systemd").join(from)).unwrap();
        assert!(text.contains("ExecStart=/usr/local/bin/"));
        let unit = dir.path().join(to);
        fs::write(&unit, text.replace("/usr/local/bin", programs.to_str().unwrap())).unwrap();
        unit
    };
    let mut units = vec![copy("kez-nats.service", "kez-nats.service")];
    copy("kez-chat@.service", "kez-chat@.service");
    for service in SERVICES {
        symlink(binary(&format!("kez-{service}")), programs.join(format!("kez-{service}"))).unwrap();
        units.push(copy("kez-chat@.service", &format!("kez-chat@{service}.service")));
    }
    for unit in units {
        let words = must(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit));
        assert_eq!(words, "", "{}", unit.display());
        must(Command::new("systemd-analyze").args(["security", "--offline=true", EXPOSURE]).arg(&unit));
    }
}

#[test]
fn their_users_can_be_made() {
    if here("systemd-sysusers", "--version") {
        let words = must(
            Command::new("systemd-sysusers").arg("--dry-run").arg(deploy("systemd/kez-chat.sysusers.conf")),
        );
        for service in SERVICES {
            assert!(words.contains(&format!("'kez-{service}'")) || user_is_here(service), "{words}");
        }
    }
}

/// A user that is there isn't made.
fn user_is_here(service: &str) -> bool {
    fs::read_to_string("/etc/passwd").unwrap().contains(&format!("kez-{service}:"))
}
