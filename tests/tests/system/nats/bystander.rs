//! Somebody who only reads mail, in every way that there is, while another tries what isn't allowed.

use std::sync::Arc;

use futures_util::StreamExt;
use kez_client::{
    Cursor, Event, Identity,
    nats::{self, Mail, Nats},
};
use kez_proto::{
    headers::{CREATED_AT, NATS_LAST_SEQUENCE, NATS_MSG_ID, NATS_SEQUENCE, NATS_SUBJECT, NATS_TIME_STAMP},
    limits::PARTITIONS,
    subjects,
};
use kez_tests::{
    Deployment, SERVER,
    person::send,
    raw_nats::{Msg, Transport},
    sse::Stream,
    within,
};
use serde_json::{Value, json};

use super::{Client, Credential, User};

/// The reader, with live connections of each kind that must stay open.
pub struct Bystander<'a> {
    pub user: &'a User,
    url: String,
    raw: Vec<Client<'a>>,
    page: Stream,
    feed: Mail,
    mail: Vec<Value>,
    last: u64,
}

impl<'a> Bystander<'a> {
    pub async fn of(deployment: &Deployment, user: &'a User) -> Self {
        let mut raw = vec![
            Client::connect(deployment, user, (Transport::Tcp, Credential::Key)).await,
            Client::connect(deployment, user, (Transport::WebSocket, Credential::Session)).await,
        ];
        for client in &mut raw {
            let subscribe = format!("SUB {} x\r\nSUB {} below\r\n", user.reply("x"), user.reply("x.>"));
            assert_eq!(client.tries(subscribe).await, []);
        }
        let url = deployment.url(0).to_owned();
        let page = Stream::open(&url, &user.person, "").await.0;
        let (_, seed) = nkeys::decode_seed(&user.person.nkey.seed().unwrap()).unwrap();
        let key = nats::Credential::Key(Arc::new(Identity::from_seed(&seed)));
        let handle = user.person.handle.clone();
        let server = Nats::new(&deployment.nats.ws_url(), SERVER.parse().unwrap(), handle, key).unwrap();
        let mut feed = nats::listen(server, Cursor::default());
        while !matches!(within("a feed opens", feed.next()).await, Some(Ok(Event::Connected { .. }))) {}
        Self { user, url, raw, page, feed, mail: vec![], last: 0 }
    }

    /// How many messages the client library took for no mail.
    pub fn dropped(&self) -> u64 {
        self.feed.dropped()
    }

    /// Nothing came to any raw connection.
    pub async fn sees_nothing(&mut self, occasion: &str) {
        for client in &mut self.raw {
            assert_eq!(client.raw.settle().await, [], "{occasion}");
        }
    }

    /// The next mail that comes to every reader is `envelope`, once, behind the one before it, and with the headers of the store alone.
    pub async fn reads(&mut self, envelope: &Value) {
        let event = self.page.message().await;
        assert_eq!(&event.json()["envelope"], envelope);
        let seq = event.seq();
        for client in &mut self.raw {
            is_push(&client.raw.msg().await, client.user, envelope, seq, self.last);
        }
        // Whoever isn't cut off says nothing but mail.
        match within("mail comes to the client library", self.feed.next()).await {
            Some(Ok(Event::Message(message))) => {
                assert_eq!(
                    (message.seq, serde_json::from_str(message.envelope.get()).ok()),
                    (seq, Some(envelope.clone()))
                );
            }
            other => panic!("{other:?}"),
        }
        self.last = seq;
        self.mail.push(envelope.clone());
    }

    /// Nobody disturbs: mail from a third side comes at once to each reader, and history is what was read.
    pub async fn is_undisturbed(&mut self, occasion: &str) {
        self.sees_nothing(occasion).await;
        for n in 0..3 {
            let envelope = json!({"occasion": occasion, "n": n});
            let sent = send(&self.url, self.user.person.handle.as_str(), envelope.clone()).await;
            assert_eq!(sent.status(), 201, "{occasion}: {}", sent.text().await.unwrap());
            self.reads(&envelope).await;
        }
        self.sees_nothing(occasion).await;
        let stored = self.user.person.mail(&self.url).await;
        let stored: Vec<Value> = stored.into_iter().map(|(_, envelope)| envelope).collect();
        assert_eq!(stored, self.mail, "{occasion}");
    }
}

/// The push of what the store holds at this place, with each header once.
fn is_push(msg: &Msg, owner: &User, envelope: &Value, seq: u64, last: u64) {
    assert_eq!((msg.subject.as_str(), msg.sid.as_str()), (owner.inbox().as_str(), "mail"), "{msg:?}");
    assert_eq!(msg.reply, None);
    assert_eq!(&msg.json(), envelope);
    let store = subjects::store(&owner.person.handle, PARTITIONS);
    for (name, value) in
        [(NATS_SEQUENCE, seq.to_string()), (NATS_LAST_SEQUENCE, last.to_string()), (NATS_SUBJECT, store)]
    {
        assert_eq!(msg.header(name), [value], "{name} of {msg:?}");
    }
    let names: Vec<&str> = msg.headers.lines().filter_map(|line| Some(line.split_once(':')?.0)).collect();
    for name in &names {
        assert_eq!(names.iter().filter(|other| *other == name).count(), 1, "{name} of {msg:?}");
        assert!(PUSHED.contains(name), "{name} of {msg:?}");
    }
}

/// What the fan-out and the stream say of a message.
const PUSHED: [&str; 7] = [
    CREATED_AT,
    NATS_MSG_ID,
    "Nats-Stream",
    NATS_SUBJECT,
    NATS_SEQUENCE,
    NATS_TIME_STAMP,
    NATS_LAST_SEQUENCE,
];
