//! What was acknowledged, and whether that is what is there.

use std::{
    collections::{HashMap, HashSet},
    sync::Mutex,
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

/// What the senders were told.
#[derive(Default)]
pub struct Account {
    pub receipts: Mutex<Vec<Receipt>>,
    /// Why attempts weren't acknowledged.
    pub refusals: Mutex<Vec<String>>,
}

impl Account {
    /// How many messages were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.receipts.lock().unwrap().len() as u64
    }

    /// Senders repeat until they are acknowledged, so history is what was acknowledged: no less, no more, and in each sender's order.
    pub fn check(&self, to: usize, history: &Mail) {
        let receipts = self.receipts.lock().unwrap();
        let expected: HashMap<u64, Id> =
            receipts.iter().filter(|r| r.to == to).map(|r| (r.seq, r.id)).collect();
        assert!(!expected.is_empty(), "nobody wrote to this one");
        let found: HashSet<Id> = history.iter().map(|(_, id)| *id).collect();
        assert_eq!(found.len(), history.len(), "a message is there twice");
        let lost: Vec<_> = expected.iter().filter(|(_, id)| !found.contains(id)).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        assert_eq!(expected, history.iter().copied().collect(), "history isn't what was acknowledged");
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
