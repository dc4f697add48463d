//! What is done with the log: append an entry, read on from a sequence.

use std::{fmt::Display, time::Duration};

use async_nats::{
    HeaderMap, Message,
    datetime::parse_rfc3339,
    jetstream::{publish::PublishAck, response::Response},
};
use futures_util::StreamExt;
use kez_kit::{Nats, nats::header, retry::Attempt, service::encode};
use kez_proto::{
    Code, Problem, Timestamp, headers, limits,
    registry::{Entry, RULES},
    subjects,
};
use serde_json::{json, value::RawValue};
use tokio::time::timeout;

use crate::writing::Logged;

/// Entries of one read, at most.
const BATCH: usize = 128;
/// A replica answers within milliseconds; one that doesn't is away, and the next request goes to another.
const PATIENCE: Duration = Duration::from_millis(300);
/// Status of the end of a batch (ADR-31).
const END_OF_BATCH: u16 = 204;

/// Appends a registration; its sequence once it is on disk. After `unavailable` it may still be there: it then counts, and a retry finds it.
pub async fn append(nats: &Nats, envelope: &[u8]) -> Result<u64, Problem> {
    let envelope: Box<RawValue> = serde_json::from_slice(envelope).map_err(|_| Code::MalformedJson)?;
    let entry = encode(&Entry::Registration { rules: RULES, envelope })?;
    // Fails at once while NATS is away: JetStream's own publish would append it later, when the caller was told that it failed.
    let answer =
        nats.request_with_headers(subjects::REGISTRY_LOG, HeaderMap::new(), entry, limits::SERVICE_DEADLINE);
    match serde_json::from_slice(&answer.await?.payload) {
        Ok(Response::Ok(PublishAck { sequence, .. })) => Ok(sequence),
        Ok(Response::Err { error }) => {
            tracing::warn!(%error, "JetStream refused a registration");
            Err(Code::Unavailable.into())
        }
        Err(error) => {
            tracing::warn!(%error, "JetStream gave an ack that can't be read");
            Err(Code::Unavailable.into())
        }
    }
}

/// The next entries from this sequence on, from any replica: one that lags gives none yet.
pub async fn read(nats: &Nats, from: u64) -> Result<Vec<Logged>, Attempt> {
    if !nats.is_connected() {
        return Err(Attempt::Again("NATS is away".into()));
    }
    let request = json!({ "seq": from, "batch": BATCH, "next_by_subj": subjects::REGISTRY_LOG }).to_string();
    let inbox = nats.client.new_inbox();
    let mut entries = Vec::new();
    let reading = async {
        let mut answers = nats.client.subscribe(inbox.clone()).await.map_err(again)?;
        let subject = subjects::direct_get(subjects::REGISTRY_STREAM);
        nats.client.publish_with_reply(subject, inbox, request.into()).await.map_err(again)?;
        while let Some(answer) = answers.next().await {
            match answer.status.map(|status| status.as_u16()) {
                None => entries.push(logged(answer)?),
                Some(END_OF_BATCH | 404) => return Ok(()),
                Some(503) => return Err(again("no replica of the log answers")),
                Some(status) => return Err(again(format_args!("the log can't be read: {status}"))),
            }
        }
        Err(again("the connection ended"))
    };
    match timeout(PATIENCE, reading).await {
        Ok(outcome) => outcome?,
        // What came is in order and of use.
        Err(_) if entries.is_empty() => return Err(again("a replica of the log doesn't answer")),
        Err(_) => {}
    }
    Ok(entries)
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
