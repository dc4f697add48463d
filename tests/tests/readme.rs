//! What documents say is true: the README's examples, run word for word against a fresh server, and the tests that the threat model names.

use std::{
    io::Read,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use kez_tests::{
    Process, eventually, http,
    nats::nats_server,
    process::{binary, kill_group},
};
use nix::sys::signal::Signal;
use regex::Regex;
use tempfile::TempDir;

const README: &str = include_str!("../../README.md");
const THREAT_MODEL: &str = include_str!("../../docs/threat-model.md");
const ADDRESS: &str = "127.0.0.1:6969";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The code blocks of this language below this heading.
fn blocks(heading: &str, language: &str) -> Vec<&'static str> {
    let (_, section) = README.split_once(&format!("\n## {heading}\n")).expect("the heading is there");
    let section = section.split("\n## ").next().unwrap_or_default();
    let fence = format!("```{language}\n");
    section.split(&fence).skip(1).filter_map(|block| block.split("```").next()).collect()
}

/// A fresh server with the names that the README uses, its address, and a folder for `kez`. It may be one that runs already, at the address in
/// KEZ_TEST_README_URL, such as a cluster: then each of these tests needs one of its own.
async fn server() -> (Option<Process>, String, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    if let Ok(url) = std::env::var("KEZ_TEST_README_URL") {
        return (None, url, dir);
    }
    let db = dir.path().join("db");
    let nats = nats_server();
    let flags = [
        "--db",
        db.to_str().unwrap(),
        "--bind",
        "127.0.0.1:0",
        "--nats-server",
        nats.to_str().unwrap(),
        "--drain-seconds",
        "1",
    ];
    let mut process = Process::spawn("kez-chat-server", &flags.map(String::from));
    let url = process.ready().await.address("http").to_owned();
    (Some(process), url, dir)
}

/// A shell that doesn't outlive its test.
struct Shell(Child);

impl Drop for Shell {
    fn drop(&mut self) {
        kill_group(&self.0, Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

fn bash(script: &str, url: &str, home: &Path) -> Shell {
    let built = binary("kez").parent().unwrap().to_owned();
    let path = format!("{}:{}", built.display(), std::env::var("PATH").unwrap());
    let script = script.replace(ADDRESS, url.trim_start_matches("http://"));
    let script = script.replace("$PWD/target/release", built.to_str().unwrap());
    let script = script.replace("/tmp/bob", home.with_file_name("bob").to_str().unwrap());
    let mut command = Command::new("bash");
    // Files that an example makes are gone with its home.
    command.current_dir(home.parent().unwrap());
    command.args(["-ec", &script]).env("PATH", path).env("KEZ_HOME", home).env("KEZ_SERVER_URL", url);
    Shell(command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0).spawn().unwrap())
}

fn output(mut shell: Shell) -> String {
    let mut text = String::new();
    shell.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    shell.0.wait().unwrap();
    text
}

#[tokio::test]
async fn the_http_api_by_example() {
    let (_server, url, dir) = server().await;
    let home = dir.path().join("home");
    let mut ran = 0;
    for block in blocks("HTTP API by example", "console") {
        for example in block.trim_start_matches("$ ").split("\n$ ") {
            let (command, expected) = example.split_once('\n').unwrap_or((example, ""));
            let got = output(bash(command, &url, &home));
            let port = url.rsplit(':').next().unwrap();
            let expected = expected.replace("6969", port);
            let pattern = format!("^{}$", regex::escape(expected.trim_end()).replace('…', ".*"));
            assert!(
                Regex::new(&pattern).unwrap().is_match(got.trim_end()),
                "$ {command}\nexpected:\n{expected}\ngot:\n{got}"
            );
            ran += 1;
        }
    }
    assert!(ran >= 10, "only {ran} examples were found");
}

#[tokio::test]
async fn chat_from_two_terminals() {
    let (_server, url, dir) = server().await;
    let terminals = blocks("Chat from two terminals", "sh");
    let [alice, bob] = terminals.as_slice() else { panic!("two terminals are expected") };
    let listening = bash(alice, &url, &dir.path().join("alice"));
    // Bob may write once she has her name.
    eventually("alice is registered", async || {
        let response = http::get(format!("{url}/v1/u/alice")).await;
        response.status().is_success().then_some(())
    })
    .await;
    let sent = output(bash(bob, &url, &dir.path().join("unused")));
    assert!(sent.contains("sent to alice@kez.lat"), "{sent}");
    let cursor = dir.path().join("alice/cursor.json");
    eventually("it is printed", async || {
        std::fs::read_to_string(&cursor).ok()?.contains("\"seq\":1").then_some(())
    })
    .await;
    kill_group(&listening.0, Signal::SIGINT);
    let heard = output(listening);
    assert!(heard.contains("bobby@kez.lat: hello from the other terminal"), "{heard}");
}

/// docs/faults.md says that the checker finds it out, which is `make chaos-broken`.
#[test]
fn the_patch_that_breaks_the_fan_out_fits() {
    let mut git = Command::new("git");
    git.args(["apply", "--check", "tests/chaos/broken.patch"]).current_dir(root());
    let output = git.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let root = root();
    let names = Regex::new(r"`([a-z0-9_./-]+\.(?:rs|ts))::([^`]+)`").unwrap();
    let mut found = 0;
    for (_, [file, name]) in names.captures_iter(THREAT_MODEL).map(|named| named.extract()) {
        let source = std::fs::read_to_string(root.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        let test = if file.ends_with(".rs") {
            Regex::new(&format!(r"test(\([^)]*\))?\]\s+(#\[[^\]]+\]\s+)*(async )?fn {name}\(")).unwrap()
        } else {
            Regex::new(&format!("test\\(['\"]{}['\"]", regex::escape(name))).unwrap()
        };
        assert!(test.is_match(&source), "{file} has no test {name}");
        found += 1;
    }
    assert!(found > 30, "only {found} were found");
}
