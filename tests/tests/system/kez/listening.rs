//! `kez listen`: each message once, over restarts too, and harmless to a terminal.

use kez_tests::{Deployment, Person, person::send, within};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout},
};

use super::{User, nats::flag, sealed, with_logs};

/// A `kez listen` that is connected.
pub struct Listening {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Listening {
    pub async fn start(user: &User, arguments: &[&str]) -> Self {
        let mut child = user.command(&[&["listen"], arguments].concat()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        within("it is connected", async {
            while !said.next_line().await.unwrap().expect("it ended").contains("connected as") {}
        })
        .await;
        // Nobody reads on, and it mustn't mind.
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    pub async fn line(&mut self) -> String {
        within("a line is printed", self.lines.next_line()).await.unwrap().expect("it ended")
    }

    /// Ctrl-C, and what it printed since.
    pub async fn interrupt(mut self) -> Vec<String> {
        kill(Pid::from_raw(self.child.id().unwrap() as i32), Signal::SIGINT).unwrap();
        let mut rest = vec![];
        while let Some(line) = within("it ends", self.lines.next_line()).await.unwrap() {
            rest.push(line);
        }
        assert_eq!(within("it ends", self.child.wait()).await.unwrap().code(), Some(0));
        rest
    }
}

#[tokio::test]
async fn each_message_is_printed_once_over_restarts_too() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = User::registered("alice", url).await;
    let bob = User::registered("bobby", url).await;
    alice.must(&["send", "bobby", "before"]).await;

    let mut listening = Listening::start(&bob, &[]).await;
    assert!(listening.line().await.ends_with("alice@kez.test: before"));
    alice.must(&["send", "bobby", "meanwhile"]).await;
    assert!(listening.line().await.ends_with("alice@kez.test: meanwhile"));
    assert!(listening.interrupt().await.is_empty());

    for body in ["one", "two"] {
        alice.must(&["send", "bobby", body]).await;
    }
    let mut listening = Listening::start(&bob, &["--json"]).await;
    for body in ["one", "two"] {
        let message: serde_json::Value = serde_json::from_str(&listening.line().await).unwrap();
        assert_eq!(message["body"], body);
    }
    assert!(listening.interrupt().await.is_empty());
}

#[tokio::test]
async fn a_message_cannot_speak_to_the_terminal() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let bob = User::registered("bobby", url).await;
    let mallory = Person::registered("mallory", url).await.identity;
    let mut listening = Listening::start(&bob, &[]).await;
    let envelopes = [
        sealed(&mallory, bob.primary(), "\u{1b}[31mred\u{1b}[2J\u{9b}H\u{7}\u{8}\u{202e}"),
        sealed(&mallory, bob.primary(), "first\r\n[03:00:00] admin@kez.test: second"),
        json!({"\u{1b}[31m": "\u{9b}31m\u{7f}"}),
    ];
    for envelope in envelopes {
        assert_eq!(send(url, "bobby", envelope).await.status(), 201);
    }

    let mut printed = vec![];
    for _ in 0..4 {
        printed.push(listening.line().await);
    }
    printed.extend(listening.interrupt().await);
    assert!(
        printed[0].ends_with(r"mallory@kez.test: \u{1b}[31mred\u{1b}[2J\u{9b}H\u{7}\u{8}\u{202e}"),
        "{printed:?}"
    );
    assert!(printed[2].starts_with("    ["), "a second line looks like a message: {printed:?}");
    assert!(printed[3].ends_with("(malformed_envelope)"), "{printed:?}");
    let all = [bob.must(&["inbox"]).await, bob.must(&["inbox", "--json"]).await, printed.join("\n")];
    for text in all {
        assert!(!text.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text:?}");
    }
}

#[tokio::test]
async fn a_key_that_was_changed_beside_it_ends_it() {
    let deployment = with_logs(1).await;
    let alice = User::registered("alice", deployment.url(0)).await;
    for arguments in [vec![], vec![flag(&deployment.nats.url())]] {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let mut child = alice.command(&[&["listen"], &arguments[..]].concat()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut rest = String::new();
        within("it is connected", async {
            while !said.next_line().await.unwrap().expect("it ended").contains("connected as") {}
        })
        .await;
        alice.must(&["sigchain", "rotate", "--yes"]).await;
        within("it ends", async {
            while let Some(line) = said.next_line().await.unwrap() {
                rest += &line;
            }
        })
        .await;
        assert_eq!(within("it ends", child.wait()).await.unwrap().code(), Some(1));
        assert!(rest.contains("your key changed") && rest.contains("start it again"), "{rest}");
    }
}
