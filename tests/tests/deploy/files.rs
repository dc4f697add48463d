//! Files that other programs read.

use std::{fs, process::Command};

use kez_nats::binary::NEEDED;
use regex::Regex;

use crate::{deploy, here, must};

/// The first group of the only match.
fn found(text: &str, pattern: &str) -> String {
    let found: Vec<_> = Regex::new(pattern).unwrap().captures_iter(text).map(|c| c[1].to_owned()).collect();
    assert!(!found.is_empty() && found.iter().all(|one| *one == found[0]), "{pattern}: {found:?}");
    found[0].clone()
}

#[test]
fn images_have_the_versions_that_the_project_needs() {
    let read = |path: &str| fs::read_to_string(deploy(path)).unwrap();
    let rust = found(&read("Dockerfile"), r"FROM rust:([\d.]+)-");
    let channel = found(&read("../rust-toolchain.toml"), r#"channel = "([\d.]+)""#);
    assert!(channel.starts_with(&format!("{rust}.")), "{channel} isn't {rust}");

    let nats = found(&read("compose.yaml"), r"image: nats:(\d+\.\d+)-");
    let (major, minor) = nats.split_once('.').unwrap();
    let nats = (major.parse().unwrap(), minor.parse().unwrap());
    assert!(nats > (NEEDED.major, NEEDED.minor), "{nats:?} may be older than {NEEDED}");
}

/// cargo wants to see every member of the workspace, whichever it builds.
#[test]
fn the_image_is_built_from_every_member_of_the_workspace() {
    let taken = fs::read_to_string(deploy("Dockerfile.dockerignore")).unwrap();
    let manifest = fs::read_to_string(deploy("../Cargo.toml")).unwrap();
    let members = found(&manifest, r"(?m)^members = \[(.*)\]$").replace('"', "");
    for member in members.split(", ") {
        let folder = member.trim_end_matches("/*");
        let whole = taken.lines().any(|line| line == format!("!{folder}"));
        assert!(
            whole || taken.contains(&format!("!{folder}/Cargo.toml\n")),
            "{member} isn't in the image's build"
        );
    }
}

#[test]
fn caddy_reads_its_file() {
    if here("caddy", "version") {
        let file = deploy("Caddyfile");
        must(Command::new("caddy").args(["validate", "--adapter", "caddyfile", "--config"]).arg(file));
    }
}

#[test]
fn prometheus_reads_its_files_and_the_alerts_come_when_they_should() {
    if here("promtool", "--version") {
        let folder = deploy("observability");
        must(Command::new("promtool").args(["check", "config", "prometheus.yml"]).current_dir(&folder));
        must(Command::new("promtool").args(["test", "rules", "alerts.test.yml"]).current_dir(&folder));
    }
}
