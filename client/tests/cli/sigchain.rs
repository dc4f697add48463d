//! `kez sigchain` and `kez release` with a server that is away: what is kept here is still there, and nothing is changed.

use std::{fs, path::Path, thread};

use kez_client::{Identity, Sigchain};
use kez_proto::{
    Timestamp,
    identity::{Event, Op},
    limits::EVENT_BYTES,
};
use serde_json::Value;

use super::{NOBODY, kez, registered, stderr, stdout};

/// Somebody with a name and a log of one event.
fn with_log(home: &Path, seed: u8) -> Sigchain {
    let identity = Identity::from_seed(&[seed; 32]);
    let op = Op::Add { subject: "github:alice".parse().unwrap(), proof_url: None };
    let first = Event::sign(None, &op, Timestamp::from_unix(100).unwrap(), &identity).unwrap();
    let log = Sigchain::verify([serde_json::to_string(&first).unwrap()]).unwrap();
    fs::write(home.join("sigchain.jsonl"), log.to_lines().unwrap()).unwrap();
    log
}

fn key(home: &Path, seed: u8) {
    fs::write(home.join("identity.key"), format!("{}\n", format!("{seed:02x}").repeat(32))).unwrap();
    super::private(&home.join("identity.key"));
}

#[test]
fn the_copy_serves_when_the_server_is_gone() {
    let home = tempfile::tempdir().unwrap();
    key(home.path(), 0x42);
    let log = with_log(home.path(), 0x42);
    let shown = kez(home.path(), &["--json", "sigchain", "show"]);
    let state: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!((shown.status.code(), &state["subjects"][0]["subject"]), (Some(0), &"github:alice".into()));
    assert!(stderr(&shown).contains(NOBODY) && stderr(&shown).contains("the copy on this computer"));
    assert_eq!(stdout(&kez(home.path(), &["sigchain", "export"])), log.to_lines().unwrap());
    let bundle = kez(home.path(), &["sigchain", "export", "--form", "bundle"]);
    assert_eq!(stdout(&bundle).trim(), log.to_bundle().unwrap());
}

#[test]
fn nothing_changes_without_the_server() {
    let home = tempfile::tempdir().unwrap();
    registered(home.path());
    let before = fs::read(home.path().join("identity.key")).unwrap();
    let commands = [
        &["sigchain", "add", "github:alice"][..],
        &["sigchain", "add-device", "UDX", "phone"],
        &["sigchain", "revoke", "github:alice"],
        &["sigchain", "rotate", "--yes"],
        &["sigchain", "verify"],
        &["sigchain", "show", "bob"],
        &["release", "--yes"],
    ];
    // Each tries for some seconds.
    let folder = home.path();
    thread::scope(|scope| {
        for args in commands {
            scope.spawn(move || {
                let output = kez(folder, args);
                assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{args:?}");
                assert!(stderr(&output).contains(NOBODY), "{args:?}: {}", stderr(&output));
            });
        }
    });
    assert_eq!(fs::read(home.path().join("identity.key")).unwrap(), before);
    let mut files: Vec<_> = fs::read_dir(home.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["identity.key", "profile.json"], "no key was made");
}

#[test]
fn what_can_never_be_taken_back_is_asked_first() {
    let home = tempfile::tempdir().unwrap();
    registered(home.path());
    for args in [&["sigchain", "rotate"][..], &["release"]] {
        let output = kez(home.path(), args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(stderr(&output).contains("--yes"), "{args:?}: {}", stderr(&output));
    }
}

#[test]
fn a_copy_of_somebody_else_and_a_damaged_one_are_named() {
    let home = tempfile::tempdir().unwrap();
    key(home.path(), 0x42);
    with_log(home.path(), 0x43);
    let other = kez(home.path(), &["sigchain", "show"]);
    assert!(stderr(&other).contains("the log of another key"), "{}", stderr(&other));
    fs::write(home.path().join("sigchain.jsonl"), "{}\n").unwrap();
    let damaged = kez(home.path(), &["sigchain", "show"]);
    assert_eq!(damaged.status.code(), Some(1));
    assert!(stderr(&damaged).contains("sigchain.jsonl is damaged"), "{}", stderr(&damaged));
}

#[test]
fn a_new_key_is_another_one() {
    let home = tempfile::tempdir().unwrap();
    key(home.path(), 0x42);
    let same = home.path().join("identity.key");
    let output = kez(home.path(), &["sigchain", "rotate", "--yes", "--new-key", same.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("the key that you have"), "{}", stderr(&output));
    let gone = kez(home.path(), &["sigchain", "rotate", "--yes", "--new-key", "gone.key"]);
    assert!(stderr(&gone).contains("gone.key"), "{}", stderr(&gone));
}

#[test]
fn an_event_that_grows_beyond_its_bound_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let identity = Identity::from_seed(&[0x42; 32]);
    let op = Op::AddDevice { device: "UDX".into(), name: "phone".into() };
    let mut payload = Event::sign(None, &op, Timestamp::from_unix(100).unwrap(), &identity).unwrap().payload;
    payload["op"] = "fill".into();
    payload["payload"] = serde_json::json!({"with": vec![1e15; 1200]});
    let signed = identity.sign_envelope(Event::TAG, &payload).unwrap();
    let canonical = kez_proto::json::canonical(&serde_json::to_value(&signed).unwrap()).unwrap();
    let canonical = String::from_utf8(canonical).unwrap();
    let short = canonical.replace("1000000000000000", "1e15");
    assert!(short.len() < EVENT_BYTES && canonical.len() > EVENT_BYTES);
    let file = home.path().join("log.jsonl");
    for text in [short, canonical] {
        fs::write(&file, text + "\n").unwrap();
        let output = kez(home.path(), &["sigchain", "verify", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("too_large"), "{}", stderr(&output));
    }
}
