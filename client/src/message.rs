//! The envelope of a message as long as sealing isn't there: in clear, and unsigned. Its form says so,
//! `{"v":0,"unsealed":{…}}`, so that no reader takes it for more.

use data_encoding::HEXLOWER;
use kez_proto::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A message that the server can read and whose sender nobody checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsealed {
    /// 32 lower-case hex digits, drawn once a message: tells a retry from a new message.
    pub id: String,
    /// When the sender says that they sent it.
    pub sent_at: Timestamp,
    /// Who the sender says that they are: a claim.
    pub from: String,
    /// The text.
    pub body: String,
}

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    v: u8,
    unsealed: T,
}

/// What an envelope turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// A message in clear.
    Unsealed(Unsealed),
    /// Something that this version can't read.
    Unknown,
}

impl Unsealed {
    /// A new message, at this moment, with an id from the system's randomness.
    pub fn new(from: String, body: String) -> Result<Self, getrandom::Error> {
        let mut id = [0; 16];
        getrandom::fill(&mut id)?;
        Ok(Self { id: HEXLOWER.encode(&id), sent_at: crate::now(), from, body })
    }

    /// The envelope's bytes. A retry sends these very bytes again: the server knows a message by them.
    pub fn to_envelope(&self) -> Result<Box<RawValue>, serde_json::Error> {
        serde_json::value::to_raw_value(&Envelope { v: 0, unsealed: self })
    }
}

/// Reads an envelope. Members that this version doesn't know are passed over; a form that it doesn't know is no error.
pub fn open(envelope: &RawValue) -> Opened {
    match serde_json::from_str(envelope.get()) {
        Ok(Envelope::<Unsealed> { v: 0, unsealed }) if is_id(&unsealed.id) => Opened::Unsealed(unsealed),
        _ => Opened::Unknown,
    }
}

fn is_id(id: &str) -> bool {
    id.len() == 32 && HEXLOWER.decode(id.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open_str(json: &str) -> Opened {
        open(&RawValue::from_string(json.to_owned()).unwrap())
    }

    #[test]
    fn what_is_built_is_read_back() {
        let sent = Unsealed::new("alice@kez.lat".into(), "hi \u{1b}[31m\n\"you\"".into()).unwrap();
        assert_eq!(open(&sent.to_envelope().unwrap()), Opened::Unsealed(sent.clone()));
        assert_ne!(sent.id, Unsealed::new(String::new(), String::new()).unwrap().id);
        let fixed = Unsealed {
            id: "00".repeat(16),
            sent_at: "2026-05-25T03:00:00Z".parse().unwrap(),
            from: "a@b".into(),
            body: "x".into(),
        };
        assert_eq!(
            fixed.to_envelope().unwrap().get(),
            r#"{"v":0,"unsealed":{"id":"00000000000000000000000000000000","sent_at":"2026-05-25T03:00:00Z","from":"a@b","body":"x"}}"#
        );
    }

    #[test]
    fn strangers_are_tolerated() {
        let inner = r#""id":"00000000000000000000000000000000","sent_at":"2026-05-25T03:00:00Z","from":"a@b","body":"x""#;
        let more = format!(r#"{{"later":1,"unsealed":{{{inner},"later":[1]}},"v":0}}"#);
        assert!(matches!(open_str(&more), Opened::Unsealed(m) if m.body == "x"));
        for other in [
            "{}".to_owned(),
            r#"{"v":2,"enc":"AA","ct":"AA"}"#.to_owned(),
            format!(r#"{{"v":1,"unsealed":{{{inner}}}}}"#),
            format!(r#"{{"unsealed":{{{inner}}}}}"#),
            format!(r#"{{"v":0,"unsealed":{{{}}}}}"#, inner.replace("00000000", "0000000Z")),
            format!(r#"{{"v":0,"unsealed":{{{}}}}}"#, inner.replace("00Z", "00")),
            r#"{"v":0,"unsealed":null}"#.to_owned(),
        ] {
            assert_eq!(open_str(&other), Opened::Unknown, "{other}");
        }
    }
}
