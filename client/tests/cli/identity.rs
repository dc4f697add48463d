//! `kez identity`, as far as it goes without a server.

use std::fs;

use kez_client::Identity;
use kez_proto::identity::mnemonic;
use serde_json::Value;

use super::{NOBODY, kez, kez_with_stdin, stderr, stdout};

fn json(output: &std::process::Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_words_of_a_new_key_are_shown_once_and_make_it_again() {
    for (flag, count) in [("--words", 24), ("--words=24", 24), ("--words=12", 12)] {
        let home = tempfile::tempdir().unwrap();
        let new = json(&kez(home.path(), &["--json", "identity", "new", flag]));
        let phrase = new["phrase"].as_str().unwrap();
        assert_eq!(phrase.split(' ').count(), count);
        let seed = mnemonic::seed(phrase).unwrap();
        assert_eq!(new["primary"], Identity::from_seed(&seed).primary().to_string());
        let hex: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(fs::read_to_string(home.path().join("identity.key")).unwrap().trim(), hex);

        let exported = json(&kez(home.path(), &["--json", "identity", "export", "--yes"]));
        let words = exported["phrase"].as_str().unwrap();
        assert_eq!(*mnemonic::seed(words).unwrap(), *seed);
        assert_eq!((words == phrase, words.split(' ').count()), (count == 24, 24));
        assert_eq!(stdout(&kez(home.path(), &["identity", "export", "--seed", "--yes"])).trim(), hex);
    }
    let home = tempfile::tempdir().unwrap();
    assert_eq!(kez(home.path(), &["identity", "new", "--words", "15"]).status.code(), Some(2));
    let plain = kez(home.path(), &["identity", "new"]);
    assert!(stdout(&plain).contains("kez identity export"), "{}", stdout(&plain));
    assert_eq!(kez(home.path(), &["identity", "new", "--words"]).status.code(), Some(1));
}

#[test]
fn a_secret_is_printed_only_after_a_yes() {
    let home = tempfile::tempdir().unwrap();
    kez(home.path(), &["identity", "new"]);
    for args in [&["identity", "export"][..], &["identity", "export", "--seed"]] {
        let output = kez_with_stdin(home.path(), args, b"y\n");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
        assert!(stderr(&output).contains("--yes"), "{}", stderr(&output));
    }
}

#[test]
fn a_phrase_restores_its_key_also_without_a_server() {
    let home = tempfile::tempdir().unwrap();
    let phrase = "abandon ".repeat(11) + "about";
    let restored = kez_with_stdin(home.path(), &["--json", "identity", "from-mnemonic"], phrase.as_bytes());
    assert_eq!(restored.status.code(), Some(0), "{}", stderr(&restored));
    let told = json(&restored);
    assert_eq!(told["primary"], "ed25519:9403c32e0d3b4ce51105c0bcac09a0d73be0cca98a6bf7b3cd434651be866d70");
    assert_eq!(told["address"], Value::Null);
    let words = stderr(&restored);
    assert!(words.contains(NOBODY) && words.contains("do the same again"), "{words}");

    // The same again is fine, and no other takes its place.
    let key = fs::read(home.path().join("identity.key")).unwrap();
    let again = kez_with_stdin(home.path(), &["identity", "from-mnemonic"], phrase.to_uppercase().as_bytes());
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    let other = "abandon ".repeat(23) + "art";
    let other = kez_with_stdin(home.path(), &["identity", "from-mnemonic"], other.as_bytes());
    assert_eq!(other.status.code(), Some(1));
    assert!(
        stderr(&other).contains("never overwritten") && stderr(&other).contains("--home"),
        "{}",
        stderr(&other)
    );
    assert_eq!(fs::read(home.path().join("identity.key")).unwrap(), key);
}

#[test]
fn what_is_no_phrase_makes_no_key() {
    let home = tempfile::tempdir().unwrap();
    let word = "abandon ".repeat(11);
    let long = "abandon ".repeat(10_000);
    for (text, why) in [
        ("", "this one has 0"),
        ("abandon", "this one has 1"),
        (&format!("{word}abandon"), "don't fit together"),
        (&format!("{word}abandonn"), "word 12"),
        (&long, "12 or 24 words"),
    ] {
        let output = kez_with_stdin(home.path(), &["identity", "from-mnemonic"], text.as_bytes());
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
    }
    assert_eq!(
        kez_with_stdin(home.path(), &["identity", "from-mnemonic"], b"\xff\xfe").status.code(),
        Some(1)
    );
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn the_key_is_shown_in_every_form() {
    let home = tempfile::tempdir().unwrap();
    let without = kez(home.path(), &["identity", "show"]);
    assert!(stderr(&without).contains("kez identity new"), "{}", stderr(&without));
    fs::write(home.path().join("identity.key"), format!("{}\n", "42".repeat(32))).unwrap();
    super::private(&home.path().join("identity.key"));
    let shown = json(&kez(home.path(), &["--json", "identity", "show"]));
    assert_eq!(shown["primary"], kez_proto::primary::EXAMPLE);
    let nkey = nkeys::KeyPair::new_from_raw(nkeys::KeyPairType::User, [0x42; 32]).unwrap().public_key();
    assert_eq!(shown["nkey"], nkey);
    assert_eq!((&shown["address"], &shown["old"]), (&Value::Null, &serde_json::json!([])));
}
