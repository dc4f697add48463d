//! What is done with the log: append an entry, read on from a sequence.

use std::{fmt::Display, time::Duration};

use async_nats::{HeaderMap, Message, datetime::parse_rfc3339};
use kez_kit::{Nats, jetstream::Refused, nats::header, retry::Attempt, service::encode};
use kez_proto::{Code, Problem, Timestamp, headers, registry::Entry, subjects};
use serde_json::json;

use crate::writing::Logged;

/// Entries of one read, at most.
const BATCH: usize = 128;
/// A replica answers within milliseconds; one that doesn't is away, and the next request goes to another.
const PATIENCE: Duration = Duration::from_millis(300);

/// Appends an entry; its sequence once it is on disk. After `unavailable` it may still be there: it then counts, and a retry finds it.
pub async fn append(nats: &Nats, entry: &Entry) -> Result<u64, Problem> {
    match nats.append(subjects::REGISTRY_LOG, HeaderMap::new(), encode(entry)?).await {
        Ok(ack) => Ok(ack.sequence),
        Err(Refused::Away(e)) => Err(e.into()),
        Err(Refused::By(error)) => {
            tracing::warn!(%error, "JetStream refused an entry of the log");
            Err(Code::Unavailable.into())
        }
    }
}

/// The next entries from this sequence on, from any replica: one that lags gives none yet.
pub async fn read(nats: &Nats, from: u64) -> Result<Vec<Logged>, Attempt> {
    let request = json!({ "seq": from, "batch": BATCH, "next_by_subj": subjects::REGISTRY_LOG });
    let batch = nats.read_batch(subjects::REGISTRY_STREAM, &request, PATIENCE).await.map_err(again)?;
    batch.messages.into_iter().map(logged).collect()
}

fn again(why: impl Display) -> Attempt {
    Attempt::Again(why.to_string())
}

fn logged(message: Message) -> Result<Logged, Attempt> {
    let text = |name| header(message.headers.as_ref(), name);
    let sequence = text(headers::NATS_SEQUENCE).and_then(|s| s.parse().ok());
    let at = text(headers::NATS_TIME_STAMP).and_then(|t| parse_rfc3339(t).ok());
    match (sequence, at) {
        (Some(sequence), Some(at)) => {
            Ok(Logged { sequence, at: Timestamp::from(at), bytes: message.payload })
        }
        _ => Err(again("an entry without sequence or time")),
    }
}
