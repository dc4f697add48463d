//! What was acknowledged, and whether that is what is there.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::Person;

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
        let number =
            |name: &str| envelope[name].as_u64().unwrap_or_else(|| panic!("a foreign message: {envelope}"));
        Self { sender: number("sender"), n: number("n") }
    }
}

/// Messages in the order of an inbox or a stream.
pub type Mail = Vec<(u64, Id)>;

/// An acknowledged message.
#[derive(Clone, Copy, Debug)]
pub struct Receipt {
    /// Which of the recipients.
    pub to: usize,
    pub id: Id,
    pub seq: u64,
}

/// What senders and readers were told.
#[derive(Default)]
pub struct Account {
    receipts: Mutex<Vec<Receipt>>,
    /// Why attempts weren't acknowledged.
    pub refusals: Mutex<Vec<String>>,
    /// Messages that had been stored by an attempt whose answer was lost: the server knew them again.
    pub repeated: AtomicU64,
    /// Messages that a stream brought twice, and that its reader dropped.
    pub duplicates: AtomicU64,
    /// See [`Account::stale`].
    pub(super) stale: AtomicU64,
    silence: Mutex<Silence>,
}

/// How long nothing was acknowledged.
struct Silence {
    since: Instant,
    longest: Duration,
}

impl Default for Silence {
    fn default() -> Self {
        Self { since: Instant::now(), longest: Duration::ZERO }
    }
}

impl Account {
    /// A message was acknowledged.
    pub fn acknowledge(&self, receipt: Receipt) {
        self.receipts.lock().unwrap().push(receipt);
        let mut silence = self.silence.lock().unwrap();
        silence.longest = silence.longest.max(silence.since.elapsed());
        silence.since = Instant::now();
    }

    /// Begins to measure anew; the longest time until now without an acknowledgement.
    pub fn silence(&self) -> Duration {
        std::mem::take(&mut *self.silence.lock().unwrap()).longest
    }

    /// How many messages to this one were acknowledged.
    pub fn acknowledged_to(&self, to: usize) -> usize {
        self.receipts.lock().unwrap().iter().filter(|receipt| receipt.to == to).count()
    }

    /// Signatures that were refused for their time.
    pub fn stale(&self) -> u64 {
        self.stale.load(Ordering::Relaxed)
    }

    /// One more.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// How many messages were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.receipts.lock().unwrap().len() as u64
    }

    /// What was acknowledged to this one and isn't in history.
    pub fn lost(&self, to: usize, history: &Mail) -> Vec<Receipt> {
        let found: HashSet<Id> = history.iter().map(|(_, id)| *id).collect();
        let receipts = self.receipts.lock().unwrap();
        receipts.iter().filter(|r| r.to == to && !found.contains(&r.id)).copied().collect()
    }

    /// Senders repeat until they are acknowledged, so history is what was acknowledged: no less, no more, and in each sender's order.
    pub fn check(&self, to: usize, history: &Mail) {
        let lost = self.lost(to, history);
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        let ids: HashSet<Id> = history.iter().map(|(_, id)| *id).collect();
        assert_eq!(ids.len(), history.len(), "a message is there twice");
        let receipts = self.receipts.lock().unwrap();
        let expected: HashSet<(u64, Id)> =
            receipts.iter().filter(|r| r.to == to).map(|r| (r.seq, r.id)).collect();
        assert!(!expected.is_empty(), "nobody wrote to this one");
        let found = history.iter().copied().collect();
        let elsewhere: Vec<_> = expected.symmetric_difference(&found).collect();
        assert!(elsewhere.is_empty(), "history and acknowledgements differ: {elsewhere:?}");
        let mut last = HashMap::new();
        for (seq, id) in history {
            let before = last.insert(id.sender, id.n);
            assert!(before.is_none_or(|n| n < id.n), "{id:?} at {seq} comes after {before:?}");
        }
    }
}

/// All mail of this person, as this gateway tells it.
pub async fn history(url: &str, person: &Person) -> Mail {
    person.mail(url).await.iter().map(|(seq, envelope)| (*seq, Id::of(envelope))).collect()
}
