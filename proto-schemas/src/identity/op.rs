//! What an event does to its chain.

use serde_json::{Map, Value, json};

use super::{Key, Subject};
use crate::{
    Code,
    limits::{DEVICE_BYTES, PROOF_URL_BYTES},
};

/// An operation with its members. One that isn't known here is kept and served, and changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// This account is the person's. One that is there already is replaced.
    Add {
        /// The account.
        subject: Subject,
        /// Where the account says so, too; at most 2,048 bytes without white space.
        proof_url: Option<String>,
    },
    /// This is the person's no more.
    Revoke(Target),
    /// The chain goes on under another key.
    Rotate {
        /// That key.
        new_primary: Key,
        /// Its signature, in hex, over the canonical payload of the event without this member.
        proof: String,
    },
    /// This device is the person's. One that is there already gets the name.
    AddDevice {
        /// What names the device, usually a key of its own: 1 to 128 bytes without white space.
        device: String,
        /// What the person calls it: 1 to 128 bytes without control characters.
        name: String,
    },
    /// Something that later versions know.
    Unknown(String),
}

/// What can be revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An account.
    Subject(Subject),
    /// A device.
    Device(String),
}

impl Op {
    /// Reads the operation of an event's payload. `invalid_event`, `invalid_subject`, `invalid_primary`.
    pub(super) fn read(payload: &Value) -> Result<Self, Code> {
        let op = payload["op"].as_str().ok_or(Code::InvalidEvent)?;
        let inner = payload["payload"].as_object().ok_or(Code::InvalidEvent)?;
        Ok(match op {
            "add" => {
                let subject = subject(inner)?.ok_or(Code::InvalidSubject)?;
                Self::Add { subject, proof_url: word(inner, "proof_url", PROOF_URL_BYTES)? }
            }
            "revoke" => Self::Revoke(match (subject(inner)?, word(inner, "device", DEVICE_BYTES)?) {
                (Some(subject), None) => Target::Subject(subject),
                (None, Some(device)) => Target::Device(device),
                _ => return Err(Code::InvalidEvent),
            }),
            "rotate" => Self::Rotate {
                new_primary: text(inner, "new_primary")?.ok_or(Code::InvalidPrimary)?.parse()?,
                proof: text(inner, "proof")?.ok_or(Code::InvalidEvent)?.into(),
            },
            "add_device" => {
                let device = word(inner, "device", DEVICE_BYTES)?.ok_or(Code::InvalidEvent)?;
                let name = text(inner, "name")?.ok_or(Code::InvalidEvent)?;
                if name.is_empty() || name.len() > DEVICE_BYTES || name.contains(char::is_control) {
                    return Err(Code::InvalidEvent);
                }
                Self::AddDevice { device, name: name.into() }
            }
            unknown => Self::Unknown(unknown.into()),
        })
    }

    /// The payload's `op` and `payload`. Those of an unknown operation aren't known: `invalid_event`.
    pub(super) fn write(&self) -> Result<(&'static str, Map<String, Value>), Code> {
        let (op, inner) = match self {
            Self::Add { subject, proof_url: None } => ("add", json!({ "subject": subject })),
            Self::Add { subject, proof_url } => {
                ("add", json!({ "subject": subject, "proof_url": proof_url }))
            }
            Self::Revoke(Target::Subject(subject)) => ("revoke", json!({ "subject": subject })),
            Self::Revoke(Target::Device(device)) => ("revoke", json!({ "device": device })),
            Self::Rotate { new_primary, proof } => {
                ("rotate", json!({ "new_primary": new_primary, "proof": proof }))
            }
            Self::AddDevice { device, name } => ("add_device", json!({ "device": device, "name": name })),
            Self::Unknown(_) => return Err(Code::InvalidEvent),
        };
        match inner {
            Value::Object(inner) => Ok((op, inner)),
            _ => Err(Code::InvalidEvent),
        }
    }
}

/// A text member, `None` where it is absent; `null` and other kinds are refused.
fn text<'a>(inner: &'a Map<String, Value>, member: &str) -> Result<Option<&'a str>, Code> {
    inner.get(member).map(|value| value.as_str().ok_or(Code::InvalidEvent)).transpose()
}

fn subject(inner: &Map<String, Value>) -> Result<Option<Subject>, Code> {
    text(inner, "subject")?.map(str::parse).transpose()
}

/// A text of 1 to `max` bytes without white space.
fn word(inner: &Map<String, Value>, member: &str, max: usize) -> Result<Option<String>, Code> {
    let Some(text) = text(inner, member)? else { return Ok(None) };
    let odd = text.contains(|c: char| c.is_whitespace() || c.is_control());
    if text.is_empty() || text.len() > max || odd { Err(Code::InvalidEvent) } else { Ok(Some(text.into())) }
}
