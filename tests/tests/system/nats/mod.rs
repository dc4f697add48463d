//! What a person may do over NATS, and what not, word for word: raw clients over TCP and WebSocket, with a KEZ key or a session token.
//! Nothing that one person does there may reach another.

mod bystander;
mod credentials;
mod headers;
mod limits;
mod malformed;
mod matrix;
mod replies;
mod state;
mod tokens;

use std::sync::atomic::{AtomicUsize, Ordering};

use kez_proto::{nats_login, subjects};
use kez_tests::{
    Deployment, Person, RawNats, SERVER,
    raw_nats::{Msg, Transport, Word},
    session::Session,
};
use serde_json::{Value, json};

/// How a person logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Credential {
    /// Their key's signature of the text that names the server's domain.
    Key,
    /// Their key's signature of the bare nonce, as stock clients make it.
    BareNonce,
    /// A session's token and its key's signature.
    Session,
}

/// Every way in.
const WAYS: [(Transport, Credential); 5] = [
    (Transport::Tcp, Credential::Key),
    (Transport::Tcp, Credential::BareNonce),
    (Transport::Tcp, Credential::Session),
    (Transport::WebSocket, Credential::Key),
    (Transport::WebSocket, Credential::Session),
];

/// Somebody who is registered and can come every way.
struct User {
    person: Person,
    session: Session,
}

impl User {
    async fn registered(handle: &str, url: &str) -> Self {
        let person = Person::registered(handle, url).await;
        let session = Session::begin(&person, url).await;
        Self { person, session }
    }

    /// The members of CONNECT that let this person in.
    fn login(&self, credential: Credential, nonce: &str) -> Value {
        let text = login_text(nonce);
        match credential {
            Credential::Key => RawNats::signed(&self.person.nkey, &text),
            Credential::BareNonce => RawNats::signed(&self.person.nkey, nonce),
            Credential::Session => {
                let mut login = RawNats::signed(&self.session.key, &text);
                login["auth_token"] = json!(self.session.granted.token);
                login
            }
        }
    }

    /// A subject among this person's replies.
    fn reply(&self, token: &str) -> String {
        format!("{}.{token}", subjects::client_inbox_prefix(&self.person.identity.primary()))
    }

    /// The subject of this person's live mail.
    fn inbox(&self) -> String {
        subjects::inbox(&self.person.handle)
    }
}

/// A connection that was let in, with two subscriptions: `mail`, and `replies` to what it asks.
struct Client<'a> {
    raw: RawNats,
    user: &'a User,
    /// Names this connection's replies among the person's.
    number: usize,
    asked: usize,
}

impl<'a> Client<'a> {
    async fn connect(deployment: &Deployment, user: &'a User, way: (Transport, Credential)) -> Self {
        let mut raw = RawNats::open(&deployment.nats, way.0).await;
        let login = user.login(way.1, &raw.nonce);
        assert_eq!(raw.connect(login).await, [], "{way:?}");
        static NUMBERS: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let mut client = Self { raw, user, number, asked: 0 };
        let (mail, replies) = (user.inbox(), user.reply(&format!("c{number}.>")));
        assert_eq!(client.tries(format!("SUB {mail} mail\r\nSUB {replies} replies\r\n")).await, []);
        client
    }

    /// Says this; all that comes back until the server has taken it.
    async fn tries(&mut self, words: impl AsRef<[u8]>) -> Vec<Word> {
        self.raw.say(words).await;
        self.raw.settle().await
    }

    /// Asks, and the answer, which must be the next that comes.
    async fn asks(&mut self, subject: &str, request: &Value) -> Msg {
        self.asks_with(subject, "", request.to_string().as_bytes()).await
    }

    /// The same with these header lines, each with its line break.
    async fn asks_with(&mut self, subject: &str, headers: &str, request: &[u8]) -> Msg {
        let reply = self.next_reply();
        self.raw.say(message(subject, &reply, headers, request)).await;
        let answer = self.raw.msg().await;
        assert_eq!((&answer.subject, answer.sid.as_str()), (&reply, "replies"), "{answer:?}");
        answer
    }

    /// A reply subject that wasn't used yet.
    fn next_reply(&mut self) -> String {
        self.asked += 1;
        self.user.reply(&format!("c{}.{}", self.number, self.asked))
    }

    /// What is allowed works on this very connection.
    async fn can_look_up(&mut self, other: &User) {
        let handle = other.person.handle.as_str();
        let answer =
            self.asks(&subjects::client_lookup(&self.user.person.handle), &json!({"handle": handle})).await;
        assert_eq!(answer.json()["primary"], json!(other.person.identity.primary()), "{answer:?}");
    }
}

/// What a client of ours signs.
fn login_text(nonce: &str) -> String {
    nats_login::text(&SERVER.parse().unwrap(), nonce)
}

/// The connection ended, with this word before. Who still sends when it is ended may miss the word.
fn ended_with(said: &[Word], word: &str) -> bool {
    matches!(said, [Word::Closed]) || matches!(said, [Word::Err(text), Word::Closed] if text == word)
}

/// PUB or, with header lines, HPUB.
fn message(subject: &str, reply: &str, headers: &str, payload: &[u8]) -> Vec<u8> {
    let line = if headers.is_empty() {
        format!("PUB {subject} {reply} {}\r\n", payload.len())
    } else {
        let block = format!("NATS/1.0\r\n{headers}\r\n");
        format!("HPUB {subject} {reply} {} {}\r\n{block}", block.len(), block.len() + payload.len())
    };
    [line.as_bytes(), payload, b"\r\n"].concat()
}
