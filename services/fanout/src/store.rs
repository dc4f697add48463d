//! Mail in JetStream: append, page, head, purge. The only place that speaks to the inbox streams.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use async_nats::{
    HeaderMap, StatusCode,
    jetstream::{publish::PublishAck, response::Response},
};
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use futures_util::StreamExt;
use kez_kit::{Nats, nats::header};
use kez_proto::{
    Code, Deployment, Handle, Problem, Timestamp, headers,
    limits::{PAGE_BYTES, SERVICE_DEADLINE},
    mail, partition, subjects,
};
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use sha2::{Digest, Sha256};

/// JetStream's "message not found".
const NO_MESSAGE: u64 = 10037;
/// JetStream's "a limit of the stream refuses it": which one is told by the description alone.
const STORE_REFUSED: u64 = 10077;

pub struct Store {
    nats: Nats,
    partitions: u16,
    /// Whether the streams tell a retry from a new message.
    tells_retries: bool,
    /// The highest sequence seen in each stream: a cursor up to there is known to be of this store.
    seen: Vec<AtomicU64>,
}

/// A message as it lies in its stream.
pub struct Stored {
    seq: u64,
    created_at: Timestamp,
    envelope: Bytes,
}

/// Messages behind a cursor, and the next cursor if there are more.
pub struct Page {
    messages: Vec<Stored>,
    next: Option<u64>,
}

/// What JetStream said of an append.
pub struct Appended {
    pub seq: u64,
    pub duplicate: bool,
}

impl Store {
    pub fn new(nats: &Nats, deployment: &Deployment, tells_retries: bool) -> Self {
        let partitions = deployment.partitions;
        Self { nats: nats.clone(), partitions, tells_retries, seen: (0..partitions).map(|_| AtomicU64::new(0)).collect() }
    }

    fn partition(&self, handle: &Handle) -> u16 {
        partition::of(handle, self.partitions)
    }

    fn stream(&self, handle: &Handle) -> String {
        subjects::inbox_stream(self.partition(handle))
    }

    fn saw(&self, handle: &Handle, seq: u64) {
        self.seen[usize::from(self.partition(handle))].fetch_max(seq, Ordering::Relaxed);
    }

    /// Stores an envelope; the stream pushes it after commit. `inbox_full`, `storage_full`, or `unavailable` if there was no ack: then it may be
    /// stored or not, and the same envelope again is safe.
    pub async fn append(
        &self,
        handle: &Handle,
        envelope: Bytes,
        created_at: Timestamp,
    ) -> Result<Appended, Problem> {
        let mut message_headers = HeaderMap::new();
        if self.tells_retries {
            message_headers.insert(headers::NATS_MSG_ID, message_id(handle, &envelope));
        }
        message_headers.insert(headers::CREATED_AT, created_at.to_string());
        let subject = subjects::store(handle, self.partitions);
        let answer =
            self.nats.request_with_headers(subject, message_headers, envelope, SERVICE_DEADLINE).await?;
        match serde_json::from_slice(&answer.payload) {
            Ok(Response::Ok(PublishAck { sequence, duplicate, .. })) => {
                self.saw(handle, sequence);
                Ok(Appended { seq: sequence, duplicate })
            }
            Ok(Response::Err { error }) if error.error_code().0 == STORE_REFUSED => {
                let per_inbox = error.to_string().contains("per subject");
                Err(if per_inbox { Code::InboxFull } else { Code::StorageFull }.into())
            }
            Ok(Response::Err { error }) => {
                tracing::warn!(%error, "JetStream refused a message");
                Err(Code::Unavailable.into())
            }
            Err(error) => {
                tracing::warn!(%error, "JetStream gave an ack that can't be read");
                Err(Code::Unavailable.into())
            }
        }
    }

    /// When the message at `seq` was taken; `None` if it is gone.
    pub async fn created_at(&self, handle: &Handle, seq: u64) -> Result<Option<Timestamp>, Problem> {
        let request = json!({ "seq": seq }).to_string();
        let answer = self
            .nats
            .request_with_headers(
                subjects::direct_get(&self.stream(handle)),
                HeaderMap::new(),
                request.into(),
                SERVICE_DEADLINE,
            )
            .await?;
        Ok(header(answer.headers.as_ref(), headers::CREATED_AT).and_then(|t| t.parse().ok()))
    }

    /// The messages above `since`, at most `limit`, ending with the one that fills the page. From any replica: the newest may be missing for a moment.
    pub async fn page(&self, handle: &Handle, since: u64, limit: usize) -> Result<Page, Problem> {
        let away = |why: String| -> Problem {
            tracing::debug!(why, "a page couldn't be read");
            Code::Unavailable.into()
        };
        if !self.nats.is_connected() {
            return Err(away("NATS is away".into()));
        }
        let subject = subjects::store(handle, self.partitions);
        let request = json!({ "seq": since.saturating_add(1), "batch": limit, "next_by_subj": subject, "max_bytes": PAGE_BYTES });
        let client = &self.nats.client;
        let inbox = client.new_inbox();
        let read = async {
            let mut answers = client.subscribe(inbox.clone()).await.map_err(|e| away(e.to_string()))?;
            let stream = subjects::direct_get(&self.stream(handle));
            client
                .publish_with_reply(stream, inbox, request.to_string().into())
                .await
                .map_err(|e| away(e.to_string()))?;
            let mut messages: Vec<Stored> = Vec::new();
            while let Some(answer) = answers.next().await {
                let number = |name| header(answer.headers.as_ref(), name).and_then(|v| v.parse::<u64>().ok());
                match answer.status {
                    None => messages.push(Stored {
                        seq: number(headers::NATS_SEQUENCE)
                            .ok_or_else(|| away("a message without sequence".into()))?,
                        created_at: header(answer.headers.as_ref(), headers::CREATED_AT)
                            .and_then(|t| t.parse().ok())
                            .ok_or_else(|| away("a message without time".into()))?,
                        envelope: answer.payload,
                    }),
                    Some(StatusCode::NOT_FOUND) => return Ok(Page { messages, next: None }),
                    // The end of the batch.
                    Some(status) if status.as_u16() == 204 => {
                        let more = number(headers::NATS_NUM_PENDING).unwrap_or(0) > 0;
                        let next = messages.last().map(|m| m.seq).filter(|_| more);
                        return Ok(Page { messages, next });
                    }
                    Some(status) => {
                        return Err(away(format!("{status} {}", answer.description.unwrap_or_default())));
                    }
                }
            }
            Err(away("the connection ended".into()))
        };
        let begun = Instant::now();
        let page = tokio::time::timeout(SERVICE_DEADLINE, read)
            .await
            .map_err(|_| away(format!("no answer in {:?}", begun.elapsed())))??;
        if let Some(last) = page.messages.last() {
            self.saw(handle, last.seq);
        }
        Ok(page)
    }

    /// The sequence of an inbox's newest message, 0 if it is empty; from the stream's leader, so that no acknowledged message is missed.
    pub async fn head(&self, handle: &Handle) -> Result<u64, Problem> {
        #[derive(Deserialize)]
        struct Found {
            message: Sequence,
        }
        #[derive(Deserialize)]
        struct Sequence {
            seq: u64,
        }
        let request = json!({ "last_by_subj": subjects::store(handle, self.partitions) });
        match self.ask::<Found>("MSG.GET", handle, request).await {
            Ok(Found { message: Sequence { seq } }) => {
                self.saw(handle, seq);
                Ok(seq)
            }
            Err(Refused::By(NO_MESSAGE)) => Ok(0),
            Err(e) => Err(e.into()),
        }
    }

    /// Whether no message of this store can have this sequence: the cursor is of another store, or of a time before a restore.
    pub async fn is_beyond(&self, handle: &Handle, cursor: u64) -> Result<bool, Problem> {
        #[derive(Deserialize)]
        struct Info {
            state: State,
        }
        #[derive(Deserialize)]
        struct State {
            last_seq: u64,
        }
        if cursor <= self.seen[usize::from(self.partition(handle))].load(Ordering::Relaxed) {
            return Ok(false);
        }
        let info: Info = self.ask("INFO", handle, json!({})).await?;
        self.saw(handle, info.state.last_seq);
        Ok(cursor > info.state.last_seq)
    }

    /// Deletes an inbox's messages up to and including `through`; how many there were.
    pub async fn purge(&self, handle: &Handle, through: u64) -> Result<u64, Problem> {
        #[derive(Deserialize)]
        struct Done {
            purged: u64,
        }
        let Some(keep_from) = through.checked_add(1) else { return Err(Code::InvalidParameter.into()) };
        let request = json!({ "filter": subjects::store(handle, self.partitions), "seq": keep_from });
        Ok(self.ask::<Done>("PURGE", handle, request).await?.purged)
    }

    /// A request of the JetStream API about the stream of `handle`.
    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        verb: &str,
        handle: &Handle,
        request: serde_json::Value,
    ) -> Result<T, Refused> {
        let subject = format!("$JS.API.STREAM.{verb}.{}", self.stream(handle));
        let answer = self
            .nats
            .request_with_headers(subject, HeaderMap::new(), request.to_string().into(), SERVICE_DEADLINE)
            .await;
        match serde_json::from_slice(&answer.map_err(|e| Refused::Away(e.into()))?.payload) {
            Ok(Response::Ok(answer)) => Ok(answer),
            Ok(Response::Err { error }) => Err(Refused::By(error.error_code().0)),
            Err(error) => {
                tracing::warn!(%error, verb, "JetStream gave an answer that can't be read");
                Err(Refused::Away(Code::Unavailable.into()))
            }
        }
    }
}

enum Refused {
    Away(Problem),
    By(u64),
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Away(problem) => problem,
            Refused::By(code) => {
                tracing::warn!(code, "JetStream refused a request");
                Code::Unavailable.into()
            }
        }
    }
}

/// Names a message by recipient and content: JetStream's memory of ids is one for all inboxes of a stream.
fn message_id(handle: &Handle, envelope: &[u8]) -> String {
    let digest =
        Sha256::new().chain_update(handle.as_str()).chain_update([0]).chain_update(envelope).finalize();
    BASE64URL_NOPAD.encode(&digest[..16])
}

/// Writes a page as JSON, with each envelope's own bytes.
pub fn write_page(out: &mut Vec<u8>, page: &Page, epoch: &str) -> Result<(), Problem> {
    let messages = page.messages.iter().map(|stored| {
        let envelope: &RawValue = serde_json::from_slice(&stored.envelope)?;
        Ok(mail::Message { seq: stored.seq, created_at: stored.created_at, envelope })
    });
    let messages = messages.collect::<Result<Vec<_>, serde_json::Error>>();
    let written = messages.and_then(|messages| {
        serde_json::to_writer(out, &mail::Page { messages, next: page.next, epoch: epoch.to_owned() })
    });
    written.map_err(|e| Problem::new(Code::Internal, format!("a stored message isn't JSON: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_names_recipient_and_content() {
        let id = |handle: &str, envelope: &str| message_id(&handle.parse().unwrap(), envelope.as_bytes());
        assert_eq!(id("alice", "{}"), id("alice", "{}"));
        assert_ne!(id("alice", "{}"), id("bob", "{}"));
        assert_ne!(id("alice", "{}"), id("alice", "{ }"));
        assert_eq!(id("alice", "{}").len(), 22);
    }
}
