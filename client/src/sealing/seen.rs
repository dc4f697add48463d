//! What a reader has read, so that nothing is read twice: not what a sender had to seal anew, and not what a server serves again.

use std::collections::{BTreeSet, HashMap};

use data_encoding::HEXLOWER;
use kez_proto::sealed::{Message, Refusal};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A message by its sender and id. By the id alone, somebody who got a copy of it could use it up before it arrives.
type Key = [u8; 16];

/// The messages that were read: as many as [`Seen::CAPACITY`]. Beyond that it forgets the oldest, and from then on refuses whatever isn't newer than what it
/// forgot, so that nothing is ever taken twice.
///
/// Whoever keeps it (it serialises, some 50 bytes a message) saves it together with the place in the inbox: if one is lost, so is the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Kept", into = "Kept")]
pub struct Seen {
    times: HashMap<Key, i64>,
    by_age: BTreeSet<(i64, Key)>,
    /// The newest `sent_at` that was forgotten.
    floor: Option<i64>,
}

/// The form in a file: `{"floor": …, "seen": [[sent_at, "<32 hex>"], …]}`, times in Unix seconds.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    floor: Option<i64>,
    seen: Vec<(i64, String)>,
}

impl Seen {
    /// More than an inbox holds ([`INBOX_MESSAGES`](kez_proto::limits::INBOX_MESSAGES)): reading a full one from its beginning forgets nothing of it.
    pub const CAPACITY: usize = 16_384;

    /// Whether a message would be taken. Errors: `already_seen`, `beyond_memory`.
    pub fn check(&self, message: &Message) -> Result<(), Refusal> {
        if self.times.contains_key(&key(message)) {
            return Err(Refusal::AlreadySeen);
        }
        let forgotten = self.floor.is_some_and(|floor| message.sent_at.unix() <= floor);
        if forgotten { Err(Refusal::BeyondMemory) } else { Ok(()) }
    }

    /// Takes a message that wasn't taken before. Errors: those of [`Seen::check`].
    pub fn admit(&mut self, message: &Message) -> Result<(), Refusal> {
        let outcome = self.check(message);
        let (key, sent_at) = (key(message), message.sent_at.unix());
        match (outcome, self.times.get(&key).copied()) {
            (Ok(()), _) => self.insert(sent_at, key),
            // Sealed anew later: what is remembered must last as long as the newest copy could be shown.
            (Err(Refusal::AlreadySeen), Some(known)) if sent_at > known => {
                self.by_age.remove(&(known, key));
                self.insert(sent_at, key);
            }
            _ => {}
        }
        outcome
    }

    fn insert(&mut self, sent_at: i64, key: Key) {
        self.times.insert(key, sent_at);
        self.by_age.insert((sent_at, key));
        while self.by_age.len() > Self::CAPACITY {
            let Some((forgotten, key)) = self.by_age.pop_first() else { return };
            self.times.remove(&key);
            self.floor = self.floor.max(Some(forgotten));
        }
    }
}

fn key(message: &Message) -> Key {
    let digest = Sha256::new().chain_update(message.primary.as_bytes()).chain_update(message.id.0).finalize();
    let mut key = Key::default();
    key.copy_from_slice(&digest[..16]);
    key
}

impl From<Seen> for Kept {
    fn from(seen: Seen) -> Self {
        let entries = seen.by_age.iter().map(|(sent_at, key)| (*sent_at, HEXLOWER.encode(key)));
        Kept { floor: seen.floor, seen: entries.collect() }
    }
}

impl TryFrom<Kept> for Seen {
    type Error = &'static str;

    fn try_from(kept: Kept) -> Result<Self, Self::Error> {
        let mut seen = Seen { floor: kept.floor, ..Seen::default() };
        for (sent_at, hex) in kept.seen {
            let key = HEXLOWER.decode(hex.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
            let key = key.ok_or("a message that was seen is 32 lower-case hex digits")?;
            if seen.times.contains_key(&key) {
                return Err("a message that was seen is named twice");
            }
            seen.insert(sent_at, key);
        }
        Ok(seen)
    }
}

#[cfg(test)]
mod tests {
    use kez_proto::{Timestamp, sealed::MessageId};

    use super::*;
    use crate::Identity;

    fn message(sender: u8, id: u32, sent_at: i64) -> Message {
        let primary = Identity::from_seed(&[sender; 32]).primary();
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&id.to_be_bytes());
        let sent_at = Timestamp::from_unix(sent_at).unwrap();
        Message { id: MessageId(bytes), primary, to: primary, sent_at, body: "x".into() }
    }

    #[test]
    fn once_for_each_sender() {
        let mut seen = Seen::default();
        assert_eq!(seen.check(&message(1, 7, 100)), Ok(()));
        assert_eq!(seen, Seen::default(), "asking changes nothing");
        assert_eq!(seen.admit(&message(1, 7, 100)), Ok(()));
        assert_eq!(seen.check(&message(1, 7, 900)), Err(Refusal::AlreadySeen));
        assert_eq!(seen.admit(&message(1, 7, 100)), Err(Refusal::AlreadySeen));
        assert_eq!(seen.admit(&message(1, 7, 900)), Err(Refusal::AlreadySeen), "sealed anew");
        assert_eq!(seen.admit(&message(2, 7, 100)), Ok(()), "another's message of the same id");
        assert_eq!(seen.admit(&message(1, 8, 100)), Ok(()));
    }

    #[test]
    fn bounded_and_never_fooled() {
        let mut seen = Seen::default();
        let all = i64::try_from(Seen::CAPACITY).unwrap();
        let nth = |n: i64| message(1, u32::try_from(n).unwrap(), 1000 + n);
        for n in 0..all {
            seen.admit(&nth(n)).unwrap();
        }
        // The first one came again under a new time: it isn't the oldest any more.
        let anew = |sent_at| Message { sent_at: Timestamp::from_unix(sent_at).unwrap(), ..nth(0) };
        assert_eq!(seen.admit(&anew(1000 + all)), Err(Refusal::AlreadySeen));
        seen.admit(&nth(all)).unwrap();
        assert_eq!((seen.by_age.len(), seen.times.len()), (Seen::CAPACITY, Seen::CAPACITY));
        assert_eq!(seen.floor, Some(1001));
        assert_eq!(seen.admit(&nth(1)), Err(Refusal::BeyondMemory), "forgotten, and not taken again");
        assert_eq!(seen.admit(&message(2, 9, 1001)), Err(Refusal::BeyondMemory));
        assert_eq!(seen.admit(&nth(2)), Err(Refusal::AlreadySeen));
        assert_eq!(seen.admit(&anew(1000)), Err(Refusal::AlreadySeen));
        assert_eq!(seen.admit(&message(2, 9, 1002)), Ok(()));

        let kept = serde_json::to_string(&seen).unwrap();
        assert!(kept.len() < 50 * Seen::CAPACITY, "{} bytes", kept.len());
        let mut back: Seen = serde_json::from_str(&kept).unwrap();
        assert_eq!(back, seen);
        assert_eq!(back.admit(&nth(all)), Err(Refusal::AlreadySeen));
    }

    #[test]
    fn a_damaged_memory_is_an_error() {
        let hex = "00".repeat(16);
        let good = format!(r#"{{"seen":[[5,"{hex}"]]}}"#);
        assert!(serde_json::from_str::<Seen>(&good).is_ok());
        for bad in [
            "{}".to_owned(),
            good.replace("00\"", "0\""),
            good.replace("00\"", "0G\""),
            format!(r#"{{"seen":[[5,"{hex}"],[6,"{hex}"]]}}"#),
        ] {
            assert!(serde_json::from_str::<Seen>(&bad).is_err(), "{bad}");
        }
    }
}
