//! Many readers over NATS in one process, each with the client library's own feed, and what each of them has got.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use kez_client::{
    Cursor, Event, Identity,
    nats::{Credential, Nats, listen},
};
use kez_tests::{Person, SERVER, http};
use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet, time::sleep};

/// Requests over HTTP at once: enough to share a commit, not enough to keep anybody waiting.
const REQUESTS: usize = 20;
/// First logins at once.
const LOGINS: usize = 20;
/// Between attempts of a sender, and between looks at what readers have.
const PAUSE: Duration = Duration::from_millis(50);

/// So many people with handles that begin with this.
pub async fn people(prefix: &str, count: usize, url: &str) -> Vec<Arc<Person>> {
    let register = |n| async move { Arc::new(Person::registered(&format!("{prefix}-{n}"), url).await) };
    stream::iter(0..count).map(register).buffered(REQUESTS).collect().await
}

/// Sends everybody the `n`th message, each until it is acknowledged; its sequences in the order of the people.
pub async fn send_all(people: &[Arc<Person>], n: u64, url: &str) -> Vec<u64> {
    let client = http::client();
    let send = |person: Arc<Person>| {
        let (client, url) = (client.clone(), format!("{url}/v1/messages"));
        async move {
            let body = json!({"to": person.handle, "envelope": envelope(&person, n)});
            loop {
                // A connection that broke leaves open what became of the message: the same bytes again are stored once.
                if let Ok(response) = client.post(&url).json(&body).send().await {
                    match response.status().as_u16() {
                        201 => return response.json::<Value>().await.unwrap()["seq"].as_u64().unwrap(),
                        503 => {}
                        other => panic!("a send was refused with {other}: {:?}", response.text().await),
                    }
                }
                sleep(PAUSE).await;
            }
        }
    };
    stream::iter(people.iter().cloned()).map(send).buffered(REQUESTS).collect().await
}

/// The `n`th message for somebody.
pub fn envelope(person: &Person, n: u64) -> Value {
    json!({"for": person.handle, "n": n})
}

/// Readers that come back by themselves.
pub struct Readers {
    all: Vec<Arc<Mutex<Reader>>>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Reader {
    /// What it gave out, in that order.
    seen: Vec<(u64, Value)>,
    /// When it got a connection, and when it lost one: true and false.
    connections: Vec<(Instant, bool)>,
}

impl Readers {
    /// One for each of these people, all connected.
    pub async fn start(people: &[Arc<Person>], nats: &str) -> Self {
        let (mut all, mut tasks, logins) = (vec![], JoinSet::new(), Arc::new(Semaphore::new(LOGINS)));
        for person in people {
            let reader = Arc::<Mutex<Reader>>::default();
            tasks.spawn(read(person.clone(), nats.to_owned(), reader.clone(), logins.clone()));
            all.push(reader);
        }
        let readers = Self { all, _tasks: tasks };
        readers.connected().await;
        readers
    }

    /// Waits until all have a connection.
    pub async fn connected(&self) {
        self.wait(Reader::is_connected).await;
    }

    /// Waits until all have lost the connection that they had then and have another one; how long each was without, from then on, the shortest first.
    pub async fn back(&self, then: Instant) -> Vec<Duration> {
        self.wait(|reader| reader.back(then).is_some()).await;
        let back = self.all.iter().filter_map(|reader| reader.lock().unwrap().back(then));
        let mut back: Vec<_> = back.map(|at| at - then).collect();
        back.sort();
        back
    }

    /// Everybody must come to have these, and nothing else: `sent` has the sequences of each message, in the order of the people.
    pub async fn check(&self, people: &[Arc<Person>], sent: &[Vec<u64>]) {
        self.wait(|reader| reader.seen.len() >= sent.len()).await;
        for (p, (person, reader)) in people.iter().zip(&self.all).enumerate() {
            let expected: Vec<_> =
                sent.iter().enumerate().map(|(n, seqs)| (seqs[p], envelope(person, n as u64))).collect();
            assert_eq!(reader.lock().unwrap().seen, expected, "{} has a gap or a duplicate", person.handle);
        }
    }

    /// As long as it takes: whoever asks has a deadline.
    async fn wait(&self, condition: impl Fn(&Reader) -> bool) {
        while !self.all.iter().all(|reader| condition(&reader.lock().unwrap())) {
            sleep(PAUSE).await;
        }
    }
}

impl Reader {
    fn is_connected(&self) -> bool {
        self.connections.last().is_some_and(|(_, connected)| *connected)
    }

    fn back(&self, then: Instant) -> Option<Instant> {
        let mut since = self.connections.iter().skip_while(|(at, connected)| *at < then || *connected);
        since.find(|(_, connected)| *connected).map(|(at, _)| *at)
    }
}

async fn read(person: Arc<Person>, url: String, reader: Arc<Mutex<Reader>>, logins: Arc<Semaphore>) {
    let (_, seed) = nkeys::decode_seed(&person.nkey.seed().unwrap()).unwrap();
    let key = Credential::Key(Arc::new(Identity::from_seed(&seed)));
    let nats = Nats::new(&url, SERVER.parse().unwrap(), person.handle.clone(), key).unwrap();
    let mut first = Some(logins.acquire().await.unwrap());
    let mut mail = listen(nats, Cursor::default());
    while let Some(event) = mail.next().await {
        let mut reader = reader.lock().unwrap();
        match event.unwrap_or_else(|e| panic!("{} gave up: {e}", person.handle)) {
            Event::Connected { .. } => {
                reader.connections.push((Instant::now(), true));
                first = None;
            }
            Event::Disconnected { .. } => reader.connections.push((Instant::now(), false)),
            Event::Message(message) => {
                let envelope = serde_json::from_str(message.envelope.get()).unwrap();
                reader.seen.push((message.seq, envelope));
            }
            Event::Resync { .. } => panic!("{} was told to begin anew", person.handle),
        }
    }
    drop(first);
}
