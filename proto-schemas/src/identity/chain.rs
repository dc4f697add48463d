//! What the events of a chain come to. Each is judged once, against the state that those before it left.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Event, Key, Op, Subject, Target};
use crate::{Code, Timestamp, limits::CHAIN_EVENTS};

/// The state of a chain: at least one event long, and every event of it verified. Its serialised form is a checkpoint, to be kept where nobody
/// else writes: reading it back verifies nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    id: Key,
    primary: Key,
    keys: Vec<KeyPeriod>,
    next_seq: u64,
    head: String,
    subjects: BTreeMap<Subject, Listed>,
    devices: BTreeMap<String, Device>,
}

/// A key that a chain is or was under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPeriod {
    /// The key.
    pub key: Key,
    /// The first event that it signs.
    pub since_seq: u64,
}

/// An account that is a person's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The event that says so.
    pub seq: u64,
    /// When that was signed.
    pub added_at: Timestamp,
    /// Where the account says so, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof_url: Option<String>,
}

/// A device that is a person's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The event that says so.
    pub seq: u64,
    /// When that was signed.
    pub added_at: Timestamp,
    /// What the person calls it.
    pub name: String,
}

/// Where a chain is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {at}: {}", code.detail())]
pub struct Broken {
    /// How many events before it are good.
    pub at: u64,
    /// What is wrong with this one; `unknown_chain` where there is no event at all.
    pub code: Code,
}

impl Chain {
    /// Begins a chain with its first event. Errors: those of [`Event::verify`], then `chain_gap` (`seq` isn't 0), `wrong_prev` (it has one), and those of the
    /// operation.
    pub fn begin(bytes: &[u8]) -> Result<Self, Code> {
        let event = Event::verify(bytes)?;
        let mut chain = Self {
            id: event.primary,
            primary: event.primary,
            keys: vec![KeyPeriod { key: event.primary, since_seq: 0 }],
            next_seq: 0,
            head: String::new(),
            subjects: BTreeMap::new(),
            devices: BTreeMap::new(),
        };
        chain.check(&event)?;
        chain.apply(&event);
        Ok(chain)
    }

    /// Appends an event, or leaves the chain as it was. Errors, in this order: those of [`Event::verify`]; `chain_conflict` (a `seq` that the chain has),
    /// `chain_gap` (one beyond its end), `chain_full`, `wrong_prev`, `key_not_in_force`; of a rotation `key_in_use` (a key that this chain was under
    /// before), of a revocation `nothing_to_revoke`.
    pub fn append(&mut self, bytes: &[u8]) -> Result<Event, Code> {
        let event = Event::verify(bytes)?;
        self.check(&event)?;
        self.apply(&event);
        Ok(event)
    }

    /// Verifies a whole chain, from its first event.
    pub fn verify<B: AsRef<[u8]>>(events: impl IntoIterator<Item = B>) -> Result<Self, Broken> {
        let mut events = events.into_iter();
        let first = events.next().ok_or(Broken { at: 0, code: Code::UnknownChain })?;
        let mut chain = Self::begin(first.as_ref()).map_err(|code| Broken { at: 0, code })?;
        for bytes in events {
            let at = chain.next_seq;
            chain.append(bytes.as_ref()).map_err(|code| Broken { at, code })?;
        }
        Ok(chain)
    }

    /// Whether a verified event may come next. Errors: those of [`Chain::append`] after [`Event::verify`].
    pub fn check(&self, event: &Event) -> Result<(), Code> {
        let prev = (self.next_seq > 0).then_some(self.head.as_str());
        if event.seq < self.next_seq {
            Err(Code::ChainConflict)
        } else if event.seq > self.next_seq {
            Err(Code::ChainGap)
        } else if self.next_seq >= CHAIN_EVENTS {
            Err(Code::ChainFull)
        } else if event.prev.as_deref() != prev {
            Err(Code::WrongPrev)
        } else if event.primary != self.primary {
            Err(Code::KeyNotInForce)
        } else {
            match &event.op {
                Op::Rotate { new_primary, .. } if self.was_under(new_primary) => Err(Code::KeyInUse),
                Op::Revoke(Target::Subject(subject)) if !self.subjects.contains_key(subject) => {
                    Err(Code::NothingToRevoke)
                }
                Op::Revoke(Target::Device(device)) if !self.devices.contains_key(device) => {
                    Err(Code::NothingToRevoke)
                }
                _ => Ok(()),
            }
        }
    }

    fn apply(&mut self, event: &Event) {
        let (seq, added_at) = (event.seq, event.created_at);
        match &event.op {
            Op::Add { subject, proof_url } => {
                let listed = Listed { seq, added_at, proof_url: proof_url.clone() };
                self.subjects.insert(subject.clone(), listed);
            }
            Op::Revoke(Target::Subject(subject)) => drop(self.subjects.remove(subject)),
            Op::Revoke(Target::Device(device)) => drop(self.devices.remove(device)),
            Op::Rotate { new_primary, .. } => {
                self.primary = *new_primary;
                self.keys.push(KeyPeriod { key: *new_primary, since_seq: seq + 1 });
            }
            Op::AddDevice { device, name } => {
                self.devices.insert(device.clone(), Device { seq, added_at, name: name.clone() });
            }
            Op::Unknown(_) => {}
        }
        self.head.clone_from(&event.link);
        self.next_seq = seq + 1;
    }

    /// What the chain is called: its first key.
    pub fn id(&self) -> Key {
        self.id
    }

    /// The key in force, which signs the next event.
    pub fn primary(&self) -> Key {
        self.primary
    }

    /// All keys, in the order in which they came into force; any of them finds the chain.
    pub fn keys(&self) -> &[KeyPeriod] {
        &self.keys
    }

    /// Whether this key is or was in force.
    pub fn was_under(&self, key: &Key) -> bool {
        self.keys.iter().any(|period| period.key == *key)
    }

    /// The `seq` of the next event, and how many there are.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The `prev` of the next event.
    pub fn head(&self) -> &str {
        &self.head
    }

    /// The accounts that are the person's now.
    pub fn subjects(&self) -> &BTreeMap<Subject, Listed> {
        &self.subjects
    }

    /// The devices that are the person's now, by their identifiers.
    pub fn devices(&self) -> &BTreeMap<String, Device> {
        &self.devices
    }
}
