//! Entries and logs for the tests of this crate.

use kez_proto::registry::{Entry, RULES};
use serde_json::value::RawValue;

use crate::{
    deployment::{Log, LogId},
    writing::Logged,
};

#[path = "../tests/support/person.rs"]
mod person;

pub use person::Person;

/// When everything in these tests is signed and logged.
pub const NOW: &str = "2026-05-25T03:00:00Z";

impl Person {
    /// Their registration, signed [`NOW`].
    pub fn registration(&self) -> Vec<u8> {
        self.registration_at(NOW.parse().unwrap())
    }
}

/// A log of this epoch and length.
pub fn log(epoch: &str, last: u64) -> Log {
    Log { id: LogId { created: "1".into(), epoch: epoch.into() }, last, whole: true }
}

/// The first entry.
pub fn genesis(sequence: u64) -> Logged {
    logged(sequence, &Entry::Genesis { rules: RULES, server: "kez.lat".parse().unwrap() })
}

/// A registration's entry, or rubbish.
pub fn entry(sequence: u64, envelope: &[u8]) -> Logged {
    match serde_json::from_slice::<Box<RawValue>>(envelope) {
        Ok(envelope) => logged(sequence, &Entry::Registration { rules: RULES, envelope }),
        Err(_) => Logged { sequence, at: NOW.parse().unwrap(), bytes: envelope.to_vec().into() },
    }
}

fn logged(sequence: u64, entry: &Entry) -> Logged {
    Logged { sequence, at: NOW.parse().unwrap(), bytes: serde_json::to_vec(entry).unwrap().into() }
}
