//! Flags that are wrong. The port is taken in each case: what is wrong with the configuration is told whole before a port is opened.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::TcpListener,
    process::Command,
};

use kez_tests::process::binary;
use regex::Regex;

use super::{arguments, refused};

const OPERATIONS: &str = include_str!("../../../../docs/operations.md");
/// Limits whose flags aren't called so.
const OTHER_LIMITS: [&str; 7] = [
    "--nats-connections",
    "--envelope-bytes",
    "--inbox-messages",
    "--mail-days",
    "--store-bytes",
    "--sigchain-bytes",
    "--duplicate-window",
];

/// Each flag of this service with its default, by the service's own help.
fn flags(service: &str) -> BTreeMap<String, Option<String>> {
    let output = Command::new(binary(service)).arg("--help").output().unwrap();
    assert!(output.status.success(), "{service}");
    let help = String::from_utf8(output.stdout).unwrap();
    // What is said about a flag stands further in.
    let (head, default) = (
        Regex::new(r"(?m)^ {2,6}(?:-\w, )?(--[a-z-]+)").unwrap(),
        Regex::new(r"\[default: (\S+)\]").unwrap(),
    );
    let at: Vec<_> = head.captures_iter(&help).map(|found| found.get(1).unwrap()).collect();
    let flag = |(n, name): (usize, &regex::Match<'_>)| {
        let end = at.get(n + 1).map_or(help.len(), |next| next.start());
        let default = default.captures(&help[name.end()..end]).map(|found| found[1].to_owned());
        (name.as_str().to_owned(), default)
    };
    at.iter().enumerate().map(flag).collect()
}

#[test]
fn every_limit_is_in_the_documents_with_its_default() {
    let services = ["kez-registry", "kez-fanout", "kez-sigchain", "kez-gateway", "kez-auth-callout"];
    let mut all: BTreeMap<_, _> = services.iter().flat_map(|service| flags(service)).collect();
    all.retain(|flag, _| flag.starts_with("--limit-") || OTHER_LIMITS.contains(&flag.as_str()));
    assert!(
        all.len() > OTHER_LIMITS.len() && OTHER_LIMITS.iter().all(|flag| all.contains_key(*flag)),
        "{all:?}"
    );
    let together: BTreeSet<_> = flags("kez-chat-server").into_keys().collect();
    assert!(all.keys().all(|flag| together.contains(flag)), "kez-chat-server lacks one of {all:?}");

    let (_, section) = OPERATIONS.split_once("\n## Limits\n").unwrap();
    let row = Regex::new(r"(?m)^\| [^|]+ \| `(--[a-z-]+)` \| ([^|]+) \|").unwrap();
    let table = section.split("\n## ").next().unwrap();
    let told: BTreeMap<_, _> =
        row.captures_iter(table).map(|row| (row[1].to_owned(), row[2].to_owned())).collect();
    assert_eq!(told.keys().collect::<Vec<_>>(), all.keys().collect::<Vec<_>>());
    for (flag, default) in all {
        // That of --store-bytes depends on NATS, and is told in words.
        let default = default.unwrap_or_else(|| "64 GiB, or NATS's own limit where that is less".into());
        assert_eq!(told[&flag], default, "{flag}");
    }
}

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
        ("--otlp-endpoint", "ftp://collector.test"),
        ("--otlp-endpoint", "nonsense"),
        ("--otlp-endpoint", "http://user:secret@collector.test"),
        ("--otlp-endpoint", "http://collector.test?token=secret"),
        ("--trace-ratio", "1.1"),
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
