//! The `kez` command against a real server: two people, each with a folder of their own.

mod admin;
mod backup;
mod canary;
mod conversation;
mod cut_off;
mod faulty;
mod identity;
mod listening;
mod lossy;
mod nats;
mod nats_library;
mod operator;
mod pins;
mod refusals;
pub mod rotation;
mod sealing;
mod sigchain;
mod tls;

use std::{path::PathBuf, process::Stdio};

use kez_client::{
    Home, Identity,
    sealing::{compose, seal},
};
use kez_proto::Primary;
use kez_tests::{Deployment, process::binary, within};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, process::Command};

/// So many of each service, and one that keeps identity logs.
async fn with_logs(instances: usize) -> Deployment {
    let mut deployment = Deployment::start(instances).await;
    deployment.add_sigchain().await;
    deployment
}

/// Somebody at a terminal.
struct User {
    folder: TempDir,
    url: String,
}

/// How a command ended.
struct Ended {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

impl User {
    /// Somebody who has no key yet.
    fn at(url: &str) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), url: url.to_owned() }
    }

    /// Somebody with this name.
    async fn registered(handle: &str, url: &str) -> Self {
        let user = Self::at(url);
        user.must(&["register", handle]).await;
        user
    }

    /// Where the key and all that is remembered is.
    fn home(&self) -> PathBuf {
        self.folder.path().join("kez")
    }

    /// Their key.
    fn primary(&self) -> Primary {
        Home::at(self.home()).identity().unwrap().primary()
    }

    /// `kez` with these arguments, about to start; it learns of the server by a flag and remembers it.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("kez"));
        for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("KEZ_")) {
            command.env_remove(key);
        }
        if arguments.first() == Some(&"register") {
            command.args(["--server-url", &self.url]);
        }
        command.args(arguments).env("KEZ_HOME", self.home()).env("NO_PROXY", "127.0.0.1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Makes the key of these words again at this server, and what a program is told of it.
    async fn restore(&self, phrase: &str) -> Value {
        let mut command = self.command(&["--json", "--server-url", &self.url, "identity", "from-mnemonic"]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(phrase.as_bytes()).await.unwrap();
        let output = within("the key is restored", child.wait_with_output()).await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs it to its end.
    async fn run(&self, arguments: &[&str]) -> Ended {
        let output =
            within(&format!("kez {arguments:?} ends"), self.command(arguments).output()).await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// What it prints when all is well.
    async fn must(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments).await;
        assert_eq!(ended.status, Some(0), "{arguments:?}: {}", ended.stderr);
        ended.stdout
    }

    /// The same as programs get it: a JSON object a line.
    async fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let lines = self.must(&[arguments, &["--json"]].concat()).await;
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Why it fails.
    async fn fails(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments).await;
        assert_eq!(ended.status, Some(1), "{arguments:?}: {} {}", ended.stdout, ended.stderr);
        assert_eq!(ended.stdout, "");
        ended.stderr
    }
}

/// The envelope of a message that was sealed as it must be.
fn sealed(from: &Identity, to: Primary, text: &str) -> Value {
    let envelope = seal(from, &compose(from, to, text).unwrap()).unwrap();
    serde_json::from_str(envelope.get()).unwrap()
}
