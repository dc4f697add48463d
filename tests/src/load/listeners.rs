//! Readers over NATS, by the client library's own feed.

use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use kez_client::{
    Cursor, Event, Identity,
    nats::{Credential, Nats, listen},
};
use tokio::task::JoinSet;

use super::account::{Id, Mail};
use crate::{Person, SERVER, eventually};

/// They read for as long as this is there.
pub struct Listeners {
    seen: Vec<Arc<Mutex<Mail>>>,
    tasks: JoinSet<()>,
}

impl Listeners {
    /// One for each of these people.
    pub fn start(people: &[Arc<Person>], nats_urls: &str) -> Self {
        let (mut seen, mut tasks) = (vec![], JoinSet::new());
        for person in people {
            let mail = Arc::<Mutex<Mail>>::default();
            tasks.spawn(read(person.clone(), nats_urls.to_owned(), mail.clone()));
            seen.push(mail);
        }
        Self { seen, tasks }
    }

    /// Each must come to have this history, once and in order.
    pub async fn finish(mut self, histories: &[Mail]) {
        for (seen, history) in self.seen.iter().zip(histories) {
            let count = || seen.lock().unwrap().len();
            eventually("a reader over NATS has it all", async || (count() >= history.len()).then_some(()))
                .await;
            assert_eq!(*seen.lock().unwrap(), *history, "a reader over NATS has something else");
        }
        let ended = self.tasks.try_join_next();
        assert!(ended.is_none(), "{ended:?}");
    }
}

async fn read(person: Arc<Person>, url: String, seen: Arc<Mutex<Mail>>) {
    let key = Credential::Key(Arc::new(Identity::from_seed(&person.seed())));
    let nats = Nats::new(&url, SERVER.parse().unwrap(), person.handle.clone(), key).unwrap();
    let mut mail = listen(nats, Cursor::default());
    while let Some(event) = mail.next().await {
        match event.unwrap_or_else(|e| panic!("{} gave up: {e}", person.handle)) {
            Event::Message(message) => {
                let envelope = serde_json::from_str(message.envelope.get()).unwrap();
                seen.lock().unwrap().push((message.seq, Id::of(&envelope)));
            }
            Event::Resync { .. } => panic!("{} was told to begin anew", person.handle),
            Event::Connected { .. } | Event::Disconnected { .. } => {}
        }
    }
}
