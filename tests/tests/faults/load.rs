//! Load, and the account of what became of it. Senders repeat the same bytes until they are acknowledged; in the end every acknowledged
//! message must be in history once and must have reached its reader once, in order.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use kez_tests::{Person, eventually, http};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinSet};

use crate::reader::{self, Seen};

/// Between one sender's messages, and between attempts.
const PACE: Duration = Duration::from_millis(10);
/// No request may hang: the product promises an answer in 2 s.
const HANG: Duration = Duration::from_secs(10);

/// Which message: the `n`th of a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id {
    pub sender: u64,
    pub n: u64,
}

impl Id {
    pub fn envelope(self) -> Value {
        json!({"sender": self.sender, "n": self.n})
    }

    pub fn of(envelope: &Value) -> Self {
        let number = |name: &str| envelope[name].as_u64().unwrap_or_else(|| panic!("a foreign message: {envelope}"));
        Self { sender: number("sender"), n: number("n") }
    }
}

/// An acknowledged message.
#[derive(Clone, Copy, Debug)]
struct Receipt {
    to: usize,
    id: Id,
    seq: u64,
}

/// What the senders share.
#[derive(Default)]
struct Account {
    receipts: Mutex<Vec<Receipt>>,
    /// Why attempts weren't acknowledged.
    refusals: Mutex<Vec<String>>,
}

impl Account {
    fn acknowledged(&self) -> u64 {
        self.receipts.lock().unwrap().len() as u64
    }
}

/// Senders at work, and a reader for each recipient.
pub struct Load {
    urls: Vec<String>,
    people: Vec<Arc<Person>>,
    senders: JoinSet<()>,
    sender_count: u64,
    readers: JoinSet<()>,
    seen: Vec<Seen>,
    account: Arc<Account>,
    /// So many messages each sender may send.
    allowed: watch::Sender<u64>,
}

impl Load {
    /// Starts senders, idle until they are allowed to send, and the people's readers, spread over these gateways.
    pub fn start(urls: &[String], people: Vec<Person>, sender_count: u64) -> Self {
        let people: Vec<_> = people.into_iter().map(Arc::new).collect();
        let (allowed, account) = (watch::Sender::new(0), Arc::<Account>::default());
        let (mut senders, mut readers, mut seen) = (JoinSet::new(), JoinSet::new(), vec![]);
        for sender in 0..sender_count {
            let to = people.iter().map(|p| p.handle.to_string()).collect();
            senders.spawn(send(urls.to_vec(), to, sender, allowed.subscribe(), account.clone()));
        }
        for (n, person) in people.iter().enumerate() {
            seen.push(Seen::default());
            readers.spawn(reader::read(person.clone(), urls.to_vec(), n, seen[n].clone()));
        }
        Self { urls: urls.to_vec(), people, senders, sender_count, readers, seen, account, allowed }
    }

    /// Has each sender send so many more messages.
    pub fn allow(&self, each: u64) {
        self.allowed.send_modify(|n| *n += each);
    }

    /// Acknowledged messages of all senders.
    pub fn acknowledged(&self) -> u64 {
        self.account.acknowledged()
    }

    /// Whether senders still have something to send.
    pub fn is_busy(&self) -> bool {
        self.acknowledged() < *self.allowed.borrow() * self.sender_count
    }

    /// Waits until so many more than now are acknowledged.
    pub async fn progress(&mut self, more: u64) {
        let wanted = self.acknowledged() + more;
        self.reach(wanted).await;
    }

    /// Waits until all that was allowed is acknowledged; how long that took.
    pub async fn settled(&mut self) -> Duration {
        let begun = Instant::now();
        let wanted = *self.allowed.borrow() * self.sender_count;
        self.reach(wanted).await;
        begun.elapsed()
    }

    async fn reach(&mut self, wanted: u64) {
        eventually(&format!("{wanted} messages are acknowledged"), async || {
            // A sender or reader that gave up has said why.
            let ended = self.senders.try_join_next().or_else(|| self.readers.try_join_next());
            assert!(ended.is_none(), "{ended:?}");
            (self.account.acknowledged() >= wanted).then_some(())
        })
        .await;
    }

    /// Why attempts weren't acknowledged since the last time this was asked.
    pub fn refusals(&self) -> Vec<String> {
        std::mem::take(&mut *self.account.refusals.lock().unwrap())
    }

    /// Ends the load and compares: acknowledgements with history, as each gateway tells it, and history with what the readers saw.
    pub async fn finish(mut self) {
        self.settled().await;
        drop(self.allowed);
        while let Some(ended) = self.senders.join_next().await {
            ended.unwrap();
        }
        let receipts = self.account.receipts.lock().unwrap().clone();
        for (n, person) in self.people.iter().enumerate() {
            let expected: HashMap<u64, Id> = receipts.iter().filter(|r| r.to == n).map(|r| (r.seq, r.id)).collect();
            assert!(!expected.is_empty(), "nobody wrote to {}", person.handle);
            let history = history(&self.urls[0], person).await;
            check(&expected, &history);
            for url in &self.urls[1..] {
                assert_eq!(self::history(url, person).await, history, "gateways disagree about {}", person.handle);
            }
            let what = format!("the reader of {} has {} messages", person.handle, history.len());
            eventually(&what, async || (self.seen[n].lock().unwrap().len() >= history.len()).then_some(())).await;
            assert_eq!(*self.seen[n].lock().unwrap(), history, "the stream of {} differs from history", person.handle);
        }
        self.readers.abort_all();
        while let Some(ended) = self.readers.join_next().await {
            assert!(ended.unwrap_err().is_cancelled());
        }
    }
}

/// Senders repeat until they are acknowledged, so history is what was acknowledged: no less, no more, and in each sender's order.
fn check(expected: &HashMap<u64, Id>, history: &[(u64, Id)]) {
    let found: HashSet<Id> = history.iter().map(|(_, id)| *id).collect();
    assert_eq!(found.len(), history.len(), "a message is there twice");
    let lost: Vec<_> = expected.iter().filter(|(_, id)| !found.contains(id)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let there: HashMap<u64, Id> = history.iter().copied().collect();
    assert_eq!(*expected, there, "history isn't what was acknowledged");
    let mut last = HashMap::new();
    for (seq, id) in history {
        let before = last.insert(id.sender, id.n);
        assert!(before.is_none_or(|n| n < id.n), "{id:?} at {seq} comes after {before:?}");
    }
}

async fn history(url: &str, person: &Person) -> Vec<(u64, Id)> {
    person.mail(url).await.iter().map(|(seq, envelope)| (*seq, Id::of(envelope))).collect()
}

async fn send(urls: Vec<String>, to: Vec<String>, sender: u64, mut allowed: watch::Receiver<u64>, account: Arc<Account>) {
    let client = http::client();
    let mut gateway = sender as usize;
    for n in 0.. {
        if allowed.wait_for(|allowed| n < *allowed).await.is_err() {
            return;
        }
        let (id, recipient) = (Id { sender, n }, (sender + n) as usize % to.len());
        let body = json!({"to": to[recipient], "envelope": id.envelope()}).to_string();
        let seq = loop {
            gateway += 1;
            match attempt(&client, &urls[gateway % urls.len()], body.clone()).await {
                Ok(seq) => break seq,
                Err(why) => account.refusals.lock().unwrap().push(why),
            }
            tokio::time::sleep(PACE).await;
        };
        account.receipts.lock().unwrap().push(Receipt { to: recipient, id, seq });
        tokio::time::sleep(PACE).await;
    }
}

/// One attempt; whatever is worth another try is an error.
async fn attempt(client: &Client, url: &str, body: String) -> Result<u64, String> {
    let request = client.post(format!("{url}/v1/messages")).header("content-type", "application/json").body(body).timeout(HANG);
    let lost = |e: reqwest::Error| {
        assert!(!e.is_timeout(), "a send hung: {e}");
        e.to_string()
    };
    let response = request.send().await.map_err(lost)?;
    let status = response.status();
    let text = response.text().await.map_err(lost)?;
    match status {
        StatusCode::CREATED => Ok(serde_json::from_str::<Value>(&text).unwrap()["seq"].as_u64().unwrap()),
        StatusCode::SERVICE_UNAVAILABLE => Err(text),
        other => panic!("a send was refused with {other}: {text}"),
    }
}
