//! The `kez` command as far as it goes without a server: files, exit statuses, words.
#![allow(clippy::unwrap_used, reason = "a test")]

mod claims;
mod identity;
mod sigchain;

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    path::Path,
    process::{Command, Output, Stdio},
    thread,
};

/// Port 1 of this machine: nothing listens there.
const NOBODY: &str = "http://127.0.0.1:1";

fn kez(home: &Path, args: &[&str]) -> Output {
    kez_with_stdin(home, args, b"")
}

fn kez_with_stdin(home: &Path, args: &[&str], stdin: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kez"))
        .args(args)
        .env("KEZ_HOME", home)
        .env("KEZ_SERVER_URL", NOBODY)
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may be gone before it reads anything.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn primary(home: &Path) -> serde_json::Value {
    let whoami: serde_json::Value = serde_json::from_slice(&kez(home, &["whoami", "--json"]).stdout).unwrap();
    whoami["primary"].clone()
}

/// For the owner's eyes alone, as key files must be.
fn private(file: &Path) {
    #[cfg(unix)]
    fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

fn registered(home: &Path) {
    assert!(kez(home, &["identity", "new"]).status.success());
    let profile = format!(r#"{{"server_url":"{NOBODY}","server":"kez.lat","handle":"alice"}}"#);
    fs::write(home.join("profile.json"), profile).unwrap();
}

#[test]
fn a_new_identity_is_made_once() {
    let home = tempfile::tempdir().unwrap();
    let first = kez(home.path(), &["identity", "new"]);
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    assert!(stdout(&first).starts_with("ed25519:") && stdout(&first).contains("identity.key"));
    let key = fs::read(home.path().join("identity.key")).unwrap();

    let second = kez(home.path(), &["identity", "new"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(stderr(&second).contains("never overwritten") && second.stdout.is_empty());
    assert_eq!(fs::read(home.path().join("identity.key")).unwrap(), key);

    let whoami: serde_json::Value =
        serde_json::from_slice(&kez(home.path(), &["whoami", "--json"]).stdout).unwrap();
    assert!(stdout(&first).contains(whoami["primary"].as_str().unwrap()));
    assert_eq!(whoami["server_url"], NOBODY);
}

#[test]
fn wrong_usage_is_told_from_failure() {
    let home = tempfile::tempdir().unwrap();
    for args in [
        &["register", "A"][..],
        &["send"],
        &["send", "bob@"],
        &["delete"],
        &["delete", "--through", "0"],
        &["what"],
    ] {
        assert_eq!(kez(home.path(), args).status.code(), Some(2), "{args:?}");
    }
    for (args, words) in [
        (&["whoami"][..], "kez identity new"),
        (&["listen"], "kez register"),
        (&["send", "bob", "hi"], "kez register"),
    ] {
        let output = kez(home.path(), args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(stderr(&output).contains(words), "{args:?}: {}", stderr(&output));
    }
    registered(home.path());
    assert_eq!(kez_with_stdin(home.path(), &["send", "bob"], b"\n").status.code(), Some(2), "an empty text");
    assert_eq!(kez(home.path(), &["--server-url", "kez.lat", "inbox"]).status.code(), Some(2));
    let other = kez(home.path(), &["send", "bob@example.org", "hi"]);
    assert_eq!(other.status.code(), Some(1));
    assert!(stderr(&other).contains("its own handles only"), "{}", stderr(&other));
}

#[test]
fn a_server_that_is_away_is_named_and_no_key_is_made_for_it() {
    let home = tempfile::tempdir().unwrap();
    let output = kez(home.path(), &["--json", "register", "alice"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(NOBODY), "{}", stderr(&output));
    let error: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(error["error"]["message"].as_str().unwrap().contains(NOBODY));
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn an_open_key_file_is_refused_with_the_remedy() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    registered(home.path());
    fs::set_permissions(home.path().join("identity.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let output = kez(home.path(), &["inbox"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("chmod 600 "), "{}", stderr(&output));
}

/// A signature over a text of the broker's choosing could be worth something elsewhere.
#[test]
fn a_broker_that_asks_for_a_signature_over_something_else_gets_none() {
    let broker = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("nats://{}", broker.local_addr().unwrap());
    let heard = thread::spawn(move || {
        let (mut client, _) = broker.accept().unwrap();
        let nonce = r#"{\"kez\":\"claim\",\"revoke\":\"all\",\"seq\":1}"#;
        let info = format!(
            r#"INFO {{"server_id":"N","version":"2.15.1","proto":1,"max_payload":1048576,"headers":true,"auth_required":true,"nonce":"{nonce}"}}"#
        );
        client.write_all(format!("{info}\r\n").as_bytes()).unwrap();
        let mut heard = vec![];
        // It may be gone without a word.
        let _ = client.read_to_end(&mut heard);
        String::from_utf8(heard).unwrap()
    });
    let home = tempfile::tempdir().unwrap();
    registered(home.path());
    let output = kez(home.path(), &["listen", &format!("--nats={url}")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("nothing was signed"), "{}", stderr(&output));
    assert_eq!(heard.join().unwrap(), "");
}

#[test]
fn an_address_of_nats_that_cannot_be_is_wrong_usage() {
    let home = tempfile::tempdir().unwrap();
    registered(home.path());
    for url in ["http://127.0.0.1:1", "127.0.0.1:1", "nats://me:pw@127.0.0.1:1", ""] {
        let output = kez(home.path(), &["send", &format!("--nats={url}"), "bob", "hi"]);
        assert_eq!(output.status.code(), Some(2), "{url:?}: {}", stderr(&output));
    }
    let away = kez(home.path(), &["send", "--nats=ws://127.0.0.1:1", "bob", "hi"]);
    assert_eq!(away.status.code(), Some(1));
    assert!(stderr(&away).contains("ws://127.0.0.1:1"), "{}", stderr(&away));
}
