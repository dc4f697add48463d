//! Mail in JetStream: append, page, head, purge. The only place that speaks to the inbox streams.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Instant,
};

use async_nats::{HeaderMap, Message, jetstream::publish::PublishAck};
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use kez_kit::{
    Nats,
    jetstream::{NO_ROOM, Refused},
    nats::header,
    trace::Subject,
};
use kez_proto::{
    Code, Deployment, Handle, Problem, Timestamp, headers,
    limits::{PAGE_BYTES, SERVICE_DEADLINE},
    mail, partition, subjects,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json, value::RawValue};
use sha2::{Digest, Sha256};
use tokio::{sync::Semaphore, time::timeout};

use crate::counts::Counts;

/// JetStream's "message not found".
const NO_MESSAGE: u64 = 10037;

/// Pages that are read at once: so many of the largest stay below the 64 MiB that nats-server holds for a connection before it ends it, and with it everybody's
/// requests.
const PAGES: usize = 32;

pub struct Store {
    nats: Nats,
    partitions: u16,
    /// Whether the streams tell a retry from a new message.
    tells_retries: bool,
    /// Places for pages that are being read.
    pages: Semaphore,
    /// The highest sequence seen in each stream: a cursor up to there is known to be of this store.
    seen: Vec<AtomicU64>,
    counts: Counts,
    /// When the operator was last told that a stream is full, in Unix seconds.
    told_full: AtomicI64,
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
    pub fn new(nats: &Nats, deployment: &Deployment, tells_retries: bool, counts: Counts) -> Self {
        let partitions = deployment.partitions;
        Self {
            nats: nats.clone(),
            partitions,
            tells_retries,
            pages: Semaphore::new(PAGES),
            seen: (0..partitions).map(|_| AtomicU64::new(0)).collect(),
            counts,
            told_full: AtomicI64::new(0),
        }
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
        let begun = Instant::now();
        let subject = Subject::named(subjects::STORE_WILDCARD, subjects::store(handle, self.partitions));
        match self.nats.append(subject, message_headers, envelope).await {
            Ok(PublishAck { sequence, duplicate, .. }) => {
                self.counts.stored(begun.elapsed(), duplicate);
                self.saw(handle, sequence);
                Ok(Appended { seq: sequence, duplicate })
            }
            Err(Refused::By(e)) if NO_ROOM.contains(&e.error_code()) => {
                if e.to_string().contains("per subject") {
                    return Err(Code::InboxFull.into());
                }
                let now = created_at.unix();
                if now - self.told_full.load(Ordering::Relaxed) >= 60 {
                    self.told_full.store(now, Ordering::Relaxed);
                    tracing::warn!(
                        stream = self.stream(handle),
                        "mail is refused because there is no room in this stream: raise --store-bytes, or NATS's own limit"
                    );
                }
                Err(Code::StorageFull.into())
            }
            Err(e) => Err(unavailable(e)),
        }
    }

    /// When the message at `seq` was taken; `None` if it is gone.
    pub async fn created_at(&self, handle: &Handle, seq: u64) -> Result<Option<Timestamp>, Problem> {
        let batch = self
            .nats
            .read_batch(&self.stream(handle), &json!({ "seq": seq, "batch": 1 }), SERVICE_DEADLINE)
            .await?;
        let message = batch.messages.first().and_then(Stored::read);
        Ok(message.filter(|m| m.seq == seq).map(|m| m.created_at))
    }

    /// The messages above `since`, at most `limit`, ending with the one that fills the page. From any replica: the newest may be missing for a moment.
    pub async fn page(&self, handle: &Handle, since: u64, limit: usize) -> Result<Page, Problem> {
        let place = timeout(SERVICE_DEADLINE, self.pages.acquire()).await;
        let _place = place.ok().and_then(Result::ok).ok_or(Code::Unavailable)?;
        let subject = subjects::store(handle, self.partitions);
        let request = json!({ "seq": since.saturating_add(1), "batch": limit, "next_by_subj": subject, "max_bytes": PAGE_BYTES });
        let batch = self.nats.read_batch(&self.stream(handle), &request, SERVICE_DEADLINE).await?;
        let messages: Option<Vec<_>> = batch.messages.iter().map(Stored::read).collect();
        let messages =
            messages.ok_or_else(|| Problem::new(Code::Internal, "a stored message lacks its headers"))?;
        let last = messages.last().map(|m| m.seq);
        self.saw(handle, last.unwrap_or(0));
        Ok(Page { next: last.filter(|_| batch.more), messages })
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
        match self.ask::<Found>("$JS.API.STREAM.MSG.GET", handle, request).await {
            Ok(Found { message: Sequence { seq } }) => {
                self.saw(handle, seq);
                Ok(seq)
            }
            Err(Refused::By(e)) if e.error_code().0 == NO_MESSAGE => Ok(0),
            Err(e) => Err(unavailable(e)),
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
        let info: Info = self.ask("$JS.API.STREAM.INFO", handle, json!({})).await.map_err(unavailable)?;
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
        Ok(self.ask::<Done>("$JS.API.STREAM.PURGE", handle, request).await.map_err(unavailable)?.purged)
    }

    /// A request of the JetStream API about the stream of `handle`.
    async fn ask<T: DeserializeOwned>(
        &self,
        api: &'static str,
        handle: &Handle,
        request: Value,
    ) -> Result<T, Refused> {
        self.nats.jetstream_api(api, &self.stream(handle), &request).await
    }
}

impl Stored {
    /// `None` if it isn't a message that this service stored.
    fn read(message: &Message) -> Option<Self> {
        let value = |name| header(message.headers.as_ref(), name);
        Some(Self {
            seq: value(headers::NATS_SEQUENCE)?.parse().ok()?,
            created_at: value(headers::CREATED_AT)?.parse().ok()?,
            envelope: message.payload.clone(),
        })
    }
}

fn unavailable(e: Refused) -> Problem {
    match e {
        Refused::Away(e) => e.into(),
        Refused::By(error) => {
            tracing::warn!(%error, "JetStream refused a request");
            Code::Unavailable.into()
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
pub fn write_page(out: &mut Vec<u8>, page: &Page, epoch: &str, head: Option<u64>) -> Result<(), Problem> {
    let messages = page.messages.iter().map(|stored| {
        let envelope: &RawValue = serde_json::from_slice(&stored.envelope)?;
        Ok(mail::Message { seq: stored.seq, created_at: stored.created_at, envelope })
    });
    let messages = messages.collect::<Result<Vec<_>, serde_json::Error>>();
    let written = messages.and_then(|messages| {
        serde_json::to_writer(out, &mail::Page { messages, next: page.next, epoch: epoch.to_owned(), head })
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
