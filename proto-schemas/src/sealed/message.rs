//! The statement inside a sealed message: who says what to whom, and when.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{MessageId, Refusal, TAG, TYPE};
use crate::{Code, Primary, Timestamp, envelope, limits::SENT_SKEW_SECS};

/// A message as its sender signs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Which one of its sender's.
    pub id: MessageId,
    /// The sender, who signs.
    pub primary: Primary,
    /// The recipient: within the signature, so that they can't pass it on as if it had been written to another. In a sender's own copy, too, whom they wrote to.
    pub to: Primary,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// What it says.
    pub body: Body,
}

/// What a message says. The members tell the kind; members that this version doesn't know are passed over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Body {
    /// `{"text": …}`
    Text {
        /// The text, of any length that fits.
        text: String,
    },
    /// A kind of a later version: there is something, and it can't be shown.
    Other(Value),
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        Body::Text { text: text.to_owned() }
    }
}

#[derive(Serialize)]
struct Payload<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    version: u32,
    id: MessageId,
    primary: Primary,
    to: Primary,
    sent_at: Timestamp,
    body: &'a Body,
}

impl Message {
    /// The payload that the sender signs, under the tag [`TAG`].
    pub fn payload(&self) -> impl Serialize {
        let Message { id, primary, to, sent_at, ref body } = *self;
        Payload { kind: TYPE, version: 1, id, primary, to, sent_at, body }
    }

    /// What a reader checks of the JSON that was inside, in this order: the signature (errors of [`envelope::verify`]), `wrong_recipient` (it is neither to
    /// nor by the reader), `invalid_timestamp`, `stale_timestamp`, `invalid_id`. The last check, that it wasn't seen before, needs a memory.
    ///
    /// `created_at` is when the server stored it. Mail may wait for weeks, so the reader's own clock says nothing; and a server that lies about the time
    /// meets the reader's memory.
    pub fn read(json: &[u8], reader: &Primary, created_at: Timestamp) -> Result<Self, Refusal> {
        let verified = envelope::verify(json, TAG, TYPE).map_err(Refusal::Statement)?;
        let (primary, mut payload) = (verified.primary, verified.payload);
        let to: Option<Primary> = payload["to"].as_str().and_then(|text| text.parse().ok());
        // By the reader, it is their own copy: whoever sealed it, they wrote it, and to whom it says.
        let to = to.filter(|to| to == reader || primary == *reader).ok_or(Refusal::WrongRecipient)?;
        let sent_at = payload["sent_at"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
        let sent_at = sent_at.ok_or(Refusal::Statement(Code::InvalidTimestamp))?;
        if (created_at.unix() - sent_at.unix()).abs() > SENT_SKEW_SECS {
            return Err(Refusal::StaleTimestamp);
        }
        let id = payload["id"].as_str().ok_or(Refusal::InvalidId)?.parse()?;
        // Any JSON is a body: what isn't a text is of another kind.
        let body = serde_json::from_value(payload["body"].take()).unwrap_or(Body::Other(Value::Null));
        Ok(Self { id, primary, to, sent_at, body })
    }
}
