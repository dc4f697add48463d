//! What no client library says. nats-server refuses it or hangs up on who said it; nobody else notices.

use kez_proto::subjects;
use kez_tests::{Deployment, raw_nats::Word};
use serde_json::json;

use super::{Client, User, WAYS, bystander::Bystander, ended_with, message, state::State};

/// What comes of it.
#[derive(Clone, Debug)]
enum Outcome {
    /// An error, and the connection goes on.
    Refused(String),
    /// Nothing, and the connection goes on.
    Ignored,
    /// The connection ends, with a word or without one.
    Closed(Option<&'static str>),
}

use Outcome::{Closed, Ignored, Refused};

const UNKNOWN: Outcome = Closed(Some("Unknown Protocol Operation"));
const TOO_LONG: Outcome = Closed(Some("maximum control line exceeded"));

fn no_publish(subject: &str) -> Outcome {
    Refused(format!("Permissions Violation for Publish to \"{subject}\""))
}

fn no_subscribe(subject: &str) -> Outcome {
    Refused(format!("Permissions Violation for Subscription to \"{subject}\""))
}

/// Subjects that aren't any, and near one's own; nats-server shows them as Go does.
fn subjects_near(own: &User) -> Vec<(String, String)> {
    let (send, inbox) = (subjects::client_send(&own.person.handle), own.inbox());
    let mut near = vec![".".to_owned(), "..".into(), ".>".into(), "kez..chat".into()];
    for subject in [send, inbox, subjects::client_lookup(&own.person.handle)] {
        near.extend([
            format!(".{subject}"),
            format!("{subject}."),
            format!("{subject}.*"),
            subject.replacen('.', "..", 1),
            format!("{subject}*"),
            format!("{subject}>"),
            format!("{subject}\u{e4}"),
            format!("{subject}\u{2003}"),
        ]);
    }
    let mut shown: Vec<_> = near.into_iter().map(|s| (s.clone(), go_quoted(&s))).collect();
    shown.push((own.inbox() + "\0", own.inbox() + "\\x00"));
    shown.push((own.inbox() + "\u{7}", own.inbox() + "\\a"));
    shown.push((own.inbox() + "\u{7f}", own.inbox() + "\\x7f"));
    shown
}

/// As `%q` of Go shows it: a space that isn't ASCII's is escaped.
fn go_quoted(subject: &str) -> String {
    subject.replace('\u{2003}', "\\u2003")
}

fn rows(own: &User, other: &User) -> Vec<(Vec<u8>, Outcome)> {
    let handle = &own.person.handle;
    let (send, lookup) = (subjects::client_send(handle), subjects::client_lookup(handle));
    let long = "x".repeat(64 * 1024);
    let mut rows: Vec<(Vec<u8>, Outcome)> = vec![];
    for (subject, shown) in subjects_near(own) {
        rows.push((format!("SUB {subject} tried\r\n").into(), no_subscribe(&shown)));
        rows.push((message(&subject, "", "", b"{}"), no_publish(&shown)));
    }
    let mut row = |words: &str, outcome: Outcome| rows.push((words.as_bytes().to_vec(), outcome));

    // Spaces divide; tabs too.
    row(
        &format!("SUB {send} {} tried\r\n", other.inbox()),
        Refused(format!(
            "Permissions Violation for Subscription to \"{send}\" using queue \"{}\"",
            other.inbox()
        )),
    );
    row(&format!("PUB\t{}\t2\r\n{{}}\r\n", other.inbox()), no_publish(&other.inbox()));
    row(&format!("pub {} 2\r\n{{}}\r\n", other.inbox()), no_publish(&other.inbox()));
    row(&format!("sub {} tried\r\n", other.inbox()), no_subscribe(&other.inbox()));
    // A `>` that isn't last would be everything below.
    row(&format!("SUB {} tried\r\n", own.reply(">.x")), Refused("Invalid Subject".into()));

    // Longer than a line may be.
    row(&format!("PUB kez.chat.send.{long} 2\r\n{{}}\r\n"), TOO_LONG);
    row(&format!("PUB {lookup} {} 2\r\n{{}}\r\n", own.reply(&long)), TOO_LONG);
    row(&format!("SUB {} tried\r\n", own.reply(&long)), TOO_LONG);
    row(&format!("SUB {} {long} tried\r\n", own.inbox()), TOO_LONG);
    row(&format!("UNSUB {long}\r\n"), TOO_LONG);
    row(&format!("{long}\r\n"), UNKNOWN);

    // Parts that are missing, or too many, or no numbers.
    row("PUB\r\n", UNKNOWN);
    row("SUB\r\n", UNKNOWN);
    row("UNSUB\r\n", UNKNOWN);
    row("SUB a b c d\r\n", Closed(None));
    row("PUB a b c d 2\r\n{}\r\n", Closed(None));
    for size in ["-1", "x", "99999999999999999999", "0x2", "2.0"] {
        row(&format!("PUB {lookup} {size}\r\n{{}}\r\n"), Closed(None));
        row(&format!("HPUB {lookup} {size} 20\r\n{{}}\r\n"), Closed(None));
    }
    row(&format!("HPUB {lookup} 20 2\r\n{{}}\r\n"), Closed(None));
    row(&format!("PUB {lookup} 1\r\n{{}}\r\n"), UNKNOWN);

    // What only servers say to each other, or to clients; and other protocols.
    let inbox = other.inbox();
    for words in [
        format!("RMSG KEZ {inbox} 2\r\n{{}}\r\n"),
        format!("LMSG {inbox} 2\r\n{{}}\r\n"),
        format!("MSG {inbox} mail 2\r\n{{}}\r\n"),
        format!("HMSG {inbox} mail 2 2\r\n{{}}\r\n"),
        "RS+ KEZ kez.store.> q 1\r\n".into(),
        "RS- KEZ kez.chat.send.*\r\n".into(),
        "LS+ kez.store.>\r\n".into(),
        "A+ KEZ\r\n".into(),
        "A- KEZ\r\n".into(),
        "JUNK\r\n".into(),
        "\0\0\0\0\r\n".into(),
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n".into(),
    ] {
        row(&words, UNKNOWN);
    }
    row("INFO {\"server_id\":\"x\",\"max_payload\":1}\r\n", Ignored);
    row("+OK\r\n", Ignored);
    row("PONG\r\n", Ignored);
    row("UNSUB nothing\r\n", Ignored);
    row("-ERR 'x'\r\n", Closed(None));
    rows
}

#[tokio::test]
async fn what_no_client_says_is_refused_and_disturbs_nobody() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let (alice, bob) = (User::registered("alice", url).await, User::registered("bobby", url).await);
    let mut bystander = Bystander::of(&deployment, &bob).await;
    bystander.is_undisturbed("before").await;
    let before = State::of(&deployment).await;
    for way in WAYS {
        // Another connection of the same person isn't ended with it.
        let mut quiet = Client::connect(&deployment, &alice, way).await;
        let mut client = Client::connect(&deployment, &alice, way).await;
        for (words, outcome) in rows(&alice, &bob) {
            let what = format!("{:.120?}, {way:?}", String::from_utf8_lossy(&words));
            let said = client.tries(&words).await;
            match outcome {
                Refused(text) => assert_eq!(said, [Word::Err(text)], "{what}"),
                Ignored => assert_eq!(said, [], "{what}"),
                Closed(Some(text)) => assert!(ended_with(&said, text), "{what}: {said:?}"),
                Closed(None) => assert_eq!(said, [Word::Closed], "{what}"),
            }
            if said.contains(&Word::Closed) {
                client = Client::connect(&deployment, &alice, way).await;
            }
            client.can_look_up(&bob).await;
        }
        quiet.can_look_up(&bob).await;
    }
    bystander.is_undisturbed("after").await;
    State::of(&deployment).await.only_grew_by(&before, 3);
}

/// A connection is one client's as long as it lasts: who logs in again on it, as whoever, is cut off.
#[tokio::test]
async fn a_second_login_ends_the_connection() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let (alice, bob) = (User::registered("alice", url).await, User::registered("bobby", url).await);
    for way in WAYS {
        for other in [&alice, &bob] {
            // nats-server adds the name that the first login got, unless the client says another one.
            for name in [None, Some(""), Some("x")] {
                let mut client = Client::connect(&deployment, &alice, way).await;
                let mut login = other.login(way.1, &client.raw.nonce);
                if let Some(name) = name {
                    login["user"] = json!(name);
                }
                let violation = Word::Err("Authorization Violation".into());
                assert_eq!(client.raw.connect(login).await, [violation, Word::Closed], "{way:?} {name:?}");
                let log = deployment.auth_callouts[0].log();
                let last = log.lines().rfind(|line| line.contains("refused")).unwrap_or_default();
                assert!(last.contains("reason=\"second_login\""), "{way:?} {name:?}: {last}");
            }
        }
    }
}
