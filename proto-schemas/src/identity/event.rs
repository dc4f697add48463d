//! One signed event of a chain, as far as it can be judged alone.

use data_encoding::HEXLOWER;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{Chain, Key, Op, Signer, sign, verify_envelope};
use crate::{Code, Timestamp, envelope::Signed, json, limits::EVENT_BYTES};

/// The payload of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EventPayload {
    /// Always [`Event::TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// Always 1.
    pub version: u32,
    /// The key that the chain is under, and that signs.
    pub primary: Key,
    /// Its place in the chain, from 0.
    pub seq: u64,
    /// `sha256:` and the hash of the canonical bytes of the whole signed event before it (`link`); absent at 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prev: Option<String>,
    /// When it was signed.
    pub created_at: Timestamp,
    /// `add`, `revoke`, `rotate`, `add_device`, or what later versions know.
    pub op: String,
    /// The operation's own members.
    pub payload: Map<String, Value>,
}

/// An event whose signature holds, and whose proof, too, if it is a rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Who signed.
    pub primary: Key,
    /// Its place in the chain.
    pub seq: u64,
    /// What it says the event before it is.
    pub prev: Option<String>,
    /// When it was signed.
    pub created_at: Timestamp,
    /// What it does.
    pub op: Op,
    /// What the next event's `prev` must be; names this very event.
    pub link: String,
}

/// How an event's `prev` names the event before it: `sha256:` and, in lower-case hex, SHA-256 of the canonical bytes of the whole signed event, however these
/// bytes are spaced. Errors: those of [`json::parse_strict`].
pub fn link(bytes: &[u8]) -> Result<String, Code> {
    Ok(link_of(&json::canonical(&json::parse_strict(bytes)?)?))
}

fn link_of(canonical: &[u8]) -> String {
    format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(canonical)))
}

impl Event {
    /// The envelope's tag.
    pub const TAG: &str = "sigchain_event";
    /// The payload's type.
    pub const TYPE: &str = "kez.sigchain.event";

    /// Verifies an event's bytes by itself; [`Chain`] judges its place. Errors, in this order: `too_large` (beyond 16 KiB), those of
    /// [`verify_envelope`], `too_large` again (its canonical bytes, for numbers can grow: 1e15), `invalid_event`, `invalid_timestamp`, `invalid_subject` or `invalid_primary` (the new one), `invalid_proof`.
    pub fn verify(bytes: &[u8]) -> Result<Self, Code> {
        if bytes.len() > EVENT_BYTES {
            return Err(Code::TooLarge);
        }
        let verified = verify_envelope(bytes, Self::TAG, Self::TYPE)?;
        let canonical = json::canonical(&json::parse_strict(bytes)?)?;
        if canonical.len() > EVENT_BYTES {
            return Err(Code::TooLarge);
        }
        Self::read(&verified.payload, verified.primary, link_of(&canonical))
    }

    fn read(payload: &Value, primary: Key, link: String) -> Result<Self, Code> {
        let seq = payload["seq"].as_u64().ok_or(Code::InvalidEvent)?;
        let prev = payload.get("prev").map(|prev| prev.as_str().map(str::to_owned).ok_or(Code::InvalidEvent));
        let created_at = payload["created_at"].as_str().and_then(|t| t.parse().ok());
        let event = Self {
            primary,
            seq,
            prev: prev.transpose()?,
            created_at: created_at.ok_or(Code::InvalidTimestamp)?,
            op: Op::read(payload)?,
            link,
        };
        if let Op::Rotate { new_primary, proof } = &event.op {
            new_primary.verify(&proven(payload)?, proof).map_err(|_| Code::InvalidProof)?;
        }
        Ok(event)
    }

    /// Signs the event that goes on `chain`, or begins one, unless it would be refused there. Errors: those of [`Chain::append`], and the signer's.
    pub fn sign<S: Signer>(
        chain: Option<&Chain>,
        op: &Op,
        created_at: Timestamp,
        signer: &S,
    ) -> Result<Signed, S::Error> {
        finish(chain, &draft(chain, op, created_at, signer.key())?, signer)
    }

    /// Signs the event by which `chain`, or one that begins with it, goes on under the key of `new`, which proves that it is wanted there. Errors: as of
    /// [`Event::sign`].
    pub fn sign_rotation<'a, S: Signer>(
        chain: impl Into<Option<&'a Chain>>,
        created_at: Timestamp,
        signer: &S,
        new: &impl Signer<Error = S::Error>,
    ) -> Result<Signed, S::Error> {
        let chain = chain.into();
        let op = Op::Rotate { new_primary: new.key(), proof: String::new() };
        let mut payload = draft(chain, &op, created_at, signer.key())?;
        let unproven = serde_json::to_value(&payload).map_err(|_| Code::MalformedJson)?;
        let proof = sign::signature(new, &proven(&unproven)?)?;
        payload.payload.insert("proof".into(), proof.into());
        finish(chain, &payload, signer)
    }
}

/// What the new key of a rotation signs: the event's payload without `proof`.
fn proven(payload: &Value) -> Result<Vec<u8>, Code> {
    let mut payload = payload.clone();
    if let Some(inner) = payload["payload"].as_object_mut() {
        inner.remove("proof");
    }
    json::canonical(&payload)
}

fn draft(chain: Option<&Chain>, op: &Op, created_at: Timestamp, primary: Key) -> Result<EventPayload, Code> {
    let (seq, prev) = chain.map_or((0, None), |chain| (chain.next_seq(), Some(chain.head().to_owned())));
    let (op, payload) = op.write()?;
    let (kind, op) = (Event::TYPE.into(), op.into());
    Ok(EventPayload { kind, version: 1, primary, seq, prev, created_at, op, payload })
}

fn finish<S: Signer>(chain: Option<&Chain>, payload: &EventPayload, signer: &S) -> Result<Signed, S::Error> {
    let key = payload.primary;
    let signed = sign::signed(Event::TAG, payload, signer, |payload| {
        let event = Event::read(payload, key, String::new())?;
        chain.map_or(Ok(()), |chain| chain.check(&event))
    })?;
    let size = serde_json::to_vec(&signed).map_err(|_| Code::MalformedJson)?.len();
    if size > EVENT_BYTES { Err(Code::TooLarge.into()) } else { Ok(signed) }
}
