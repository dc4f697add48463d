//! Those who read their mail over NATS, by the client library's own feed.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::StreamExt;
use kez_client::{
    Cursor, Event, Identity,
    nats::{Credential, Nats, listen},
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use super::account::{Id, Mail};
use crate::{Person, SERVER, eventually};

/// The longest that those who come and go stay, and stay away, in seconds. A login alone may take two.
const VISIT: f64 = 10.0;

/// How long a reader reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stay {
    /// To the end.
    All,
    /// Now and then.
    Visits,
}

/// Two readers for each of some people: one stays, and one comes and goes.
pub struct Listeners {
    /// Of each person.
    seen: Vec<Vec<Arc<Mutex<Mail>>>>,
    tasks: JoinSet<()>,
}

impl Listeners {
    /// They read for as long as this is there.
    pub fn start<'p>(people: impl Iterator<Item = &'p Arc<Person>>, nats_urls: &str) -> Self {
        let (mut seen, mut tasks) = (vec![], JoinSet::new());
        for person in people {
            let each = [Stay::All, Stay::Visits].map(|stay| {
                let mail = Arc::<Mutex<Mail>>::default();
                tasks.spawn(read(person.clone(), nats_urls.to_owned(), stay, mail.clone()));
                mail
            });
            seen.push(each.to_vec());
        }
        Self { seen, tasks }
    }

    /// Each must come to have this history, once and in order; how many messages they got.
    pub async fn finish(mut self, histories: &[Mail]) -> usize {
        let mut delivered = 0;
        for (seen, history) in self.seen.iter().zip(histories) {
            for seen in seen {
                let count = || seen.lock().unwrap().len();
                let what = "a reader over NATS has it all";
                eventually(what, async || (count() >= history.len()).then_some(())).await;
                assert_eq!(*seen.lock().unwrap(), *history, "a reader over NATS has something else");
                delivered += history.len();
            }
        }
        let ended = self.tasks.try_join_next();
        assert!(ended.is_none(), "{ended:?}");
        delivered
    }
}

async fn read(person: Arc<Person>, url: String, stay: Stay, seen: Arc<Mutex<Mail>>) {
    let key = Credential::Key(Arc::new(Identity::from_seed(&person.seed())));
    let nats = Nats::new(&url, SERVER.parse().unwrap(), person.handle.clone(), key).unwrap();
    let mut cursor = Cursor::default();
    loop {
        let reading = follow(&person, &nats, stay, &mut cursor, &seen);
        match stay {
            Stay::All => reading.await,
            Stay::Visits => {
                let _ = timeout(some_time(), reading).await;
                sleep(some_time()).await;
            }
        }
    }
}

async fn follow(person: &Person, nats: &Nats, stay: Stay, cursor: &mut Cursor, seen: &Mutex<Mail>) {
    let mut mail = listen(nats.clone(), cursor.clone());
    while let Some(event) = mail.next().await {
        match event {
            Ok(Event::Message(message)) => {
                let envelope = serde_json::from_str(message.envelope.get()).unwrap();
                cursor.seq = message.seq;
                seen.lock().unwrap().push((message.seq, Id::of(&envelope)));
            }
            Ok(Event::Connected { epoch, seq }) => *cursor = Cursor { epoch: Some(epoch), seq },
            Ok(Event::Disconnected { .. }) => {}
            Ok(Event::Resync { .. }) => panic!("{} was told to begin anew", person.handle),
            // Who has just come takes a first login that fails for a refusal.
            Err(e) => assert_eq!(stay, Stay::Visits, "{} gave up: {e}", person.handle),
        }
    }
}

/// What a visit lasts, and what lies between two.
fn some_time() -> Duration {
    Duration::from_secs_f64(fastrand::f64() * VISIT)
}
