//! `kez claim` and `kez verify`: what was signed is good or has a named fault.

use std::{fs, path::Path};

use kez_client::{Identity, Sigchain};
use kez_proto::{
    Timestamp,
    identity::{Claim, Event, Op},
};
use serde_json::Value;

use super::{kez, kez_with_stdin, stderr, stdout};

/// Exit status, and what a program is told.
fn verdict(home: &Path, args: &[&str], stdin: &str) -> (Option<i32>, Value) {
    let output = kez_with_stdin(home, &[&["--json"], args].concat(), stdin.as_bytes());
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

#[test]
fn a_claim_in_each_form_is_verified() {
    let home = tempfile::tempdir().unwrap();
    assert!(stderr(&kez(home.path(), &["claim", "create", "github:alice"])).contains("kez identity new"));
    kez(home.path(), &["identity", "new"]);
    let primary = super::primary(home.path());
    for form in ["json", "compact", "markdown", "txt"] {
        let claim =
            kez(home.path(), &["claim", "create", "dns:Alice.Example", "--form", form, "--expires", "30"]);
        assert_eq!(claim.status.code(), Some(0), "{}", stderr(&claim));
        for command in [&["claim", "verify", "-"][..], &["verify", "-"]] {
            let (status, told) = verdict(home.path(), command, &stdout(&claim));
            assert_eq!(status, Some(0), "{form}: {told}");
            assert_eq!((&told["outcome"], &told["kind"]), (&"good".into(), &"claim".into()));
            assert_eq!((&told["subject"], &told["primary"]), (&"dns:alice.example".into(), &primary));
            assert!(told["expires_at"].as_str() > told["created_at"].as_str());
        }
    }
    for bad in [
        &["github:a b"][..],
        &["gitlab:alice"],
        &["github:alice", "--expires", "0"],
        &["github:alice", "--form", "xml"],
    ] {
        assert_eq!(kez(home.path(), &[&["claim", "create"], bad].concat()).status.code(), Some(2), "{bad:?}");
    }
}

#[test]
fn each_fault_of_a_claim_has_its_name() {
    let home = tempfile::tempdir().unwrap();
    let identity = Identity::from_seed(&[0x42; 32]);
    let at = |secs| Timestamp::from_unix(secs).unwrap();
    let signed = Claim::sign("github:alice".parse().unwrap(), at(100), Some(at(200)), &identity).unwrap();
    let old = serde_json::to_string(&signed).unwrap();
    for (text, name) in [
        ("hello", "absent"),
        ("kez:z1:AAAA", "corrupt"),
        ("```kez\n{", "corrupt"),
        (&format!("{{{}}}", " ".repeat(20_000)), "too_large"),
        (&old, "expired"),
        (&old.replace("github:alice", "github:bob"), "bad_signature"),
        (&old.replace("\"claim\"", "\"message\""), "wrong_tag"),
        (&old.replace("ed25519-sha512-jcs", "rsa"), "unsupported_alg"),
    ] {
        let (status, told) = verdict(home.path(), &["claim", "verify", "-"], text);
        assert_eq!((status, &told["error"]["code"]), (Some(1), &name.into()), "{text}");
    }
    let gone = kez(home.path(), &["claim", "verify", "gone.md"]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(stderr(&gone).contains("gone.md"), "{}", stderr(&gone));
}

#[test]
fn a_log_is_verified_from_a_file() {
    let home = tempfile::tempdir().unwrap();
    let identity = Identity::from_seed(&[0x42; 32]);
    let op = Op::Add { subject: "github:alice".parse().unwrap(), proof_url: None };
    let first = Event::sign(None, &op, Timestamp::from_unix(100).unwrap(), &identity).unwrap();
    let log = Sigchain::verify([serde_json::to_string(&first).unwrap()]).unwrap();
    for (n, text) in [log.to_lines().unwrap(), log.to_bundle().unwrap()].iter().enumerate() {
        let file = home.path().join(format!("log-{n}"));
        fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        for command in [&["verify", file][..], &["sigchain", "verify", file]] {
            let (status, told) = verdict(home.path(), command, "");
            assert_eq!(
                (status, &told["outcome"], &told["kind"]),
                (Some(0), &"good".into(), &"sigchain".into())
            );
            assert_eq!(told["id"], kez_proto::primary::EXAMPLE);
            assert_eq!(
                (&told["head"]["seq"], &told["subjects"][0]["subject"]),
                (&0.into(), &"github:alice".into())
            );
        }
        let wrong = kez(home.path(), &["claim", "verify", file]);
        assert!(stderr(&wrong).contains("kez sigchain verify"), "{}", stderr(&wrong));
    }
    let changed = log.to_lines().unwrap().replace("alice", "bob");
    let (status, told) = verdict(home.path(), &["verify", "-"], &changed);
    assert_eq!((status, &told["error"]["code"]), (Some(1), &"bad_signature".into()));
}

#[test]
fn what_cannot_be_meant_is_wrong_usage() {
    let home = tempfile::tempdir().unwrap();
    for (what, words) in
        [("github:alice", "kez claim verify"), ("NoHandle", "a handle is"), ("ed25519:00", "64")]
    {
        for command in [&["verify", what][..], &["sigchain", "verify", what], &["sigchain", "show", what]] {
            let output = kez(home.path(), command);
            assert_eq!(output.status.code(), Some(2), "{command:?}");
            assert!(stderr(&output).contains(words), "{command:?}: {}", stderr(&output));
        }
    }
}
