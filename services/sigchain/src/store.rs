//! Chains in JetStream: the newest entry of a key, the entries behind another, append. The only place that speaks to the stream.

use async_nats::{HeaderMap, Message, jetstream::publish::PublishAck};
use bytes::Bytes;
use data_encoding::BASE64;
use kez_kit::{
    Nats,
    jetstream::{NO_ROOM, Refused},
    nats::header,
    trace::Subject,
};
use kez_proto::{
    Code, Problem, headers,
    identity::Key,
    limits::{PAGE_BYTES, SERVICE_DEADLINE},
    subjects,
};
use serde::Deserialize;
use serde_json::json;

/// JetStream's "message not found".
const NO_MESSAGE: u64 = 10037;
/// JetStream's "wrong last sequence".
const WRONG_LAST_SEQUENCE: u64 = 10071;
/// Entries of one read, at most.
const BATCH: usize = 256;

/// What the stream holds under one key's subject.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its sequence in the stream.
    pub at: u64,
    /// A signed event in its canonical form; or, under the later key of a chain, that chain's first key as text.
    pub bytes: Bytes,
}

/// What an append came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Append {
    /// It is on disk.
    Done,
    /// Something else was appended before: nothing was stored.
    Overtaken,
}

#[derive(Clone, Debug)]
pub struct Store {
    nats: Nats,
}

impl Store {
    pub fn new(nats: &Nats) -> Self {
        Self { nats: nats.clone() }
    }

    /// The newest entry under this key, from the stream's leader, so that no acknowledged one is missed.
    pub async fn newest(&self, key: &Key) -> Result<Option<Entry>, Problem> {
        #[derive(Deserialize)]
        struct Found {
            message: Stored,
        }
        #[derive(Deserialize)]
        struct Stored {
            seq: u64,
            data: String,
        }
        let request = json!({ "last_by_subj": subjects::sigchain_log(key) });
        match self
            .nats
            .jetstream_api::<Found>("$JS.API.STREAM.MSG.GET", subjects::SIGCHAIN_STREAM, &request)
            .await
        {
            Ok(Found { message: Stored { seq, data } }) => {
                let bytes = BASE64.decode(data.as_bytes()).map_err(|_| Code::Internal)?;
                Ok(Some(Entry { at: seq, bytes: bytes.into() }))
            }
            Err(Refused::By(e)) if e.error_code().0 == NO_MESSAGE => Ok(None),
            Err(e) => Err(unavailable(e)),
        }
    }

    /// Entries under this key from a sequence of the stream on, in order, as many as fit into a page. From any replica: the newest may be missing for a
    /// moment.
    pub async fn read(&self, key: &Key, from: u64) -> Result<Vec<Entry>, Problem> {
        let subject = subjects::sigchain_log(key);
        let request =
            json!({ "seq": from, "batch": BATCH, "next_by_subj": subject, "max_bytes": PAGE_BYTES });
        let batch = self.nats.read_batch(subjects::SIGCHAIN_STREAM, &request, SERVICE_DEADLINE).await?;
        let entries: Option<Vec<_>> = batch.messages.into_iter().map(entry).collect();
        entries.ok_or_else(|| Problem::new(Code::Internal, "a stored event has no sequence"))
    }

    /// Appends an event behind the entry at `last` (0: there is none); with a rotation, in the same moment, what leads from the new key to the chain, unless
    /// that key has an entry of its own. `unavailable` without an ack: then it may be stored or not.
    pub async fn append(
        &self,
        chain: &Key,
        last: u64,
        event: Bytes,
        new_key: Option<&Key>,
    ) -> Result<Append, Problem> {
        let mut about = expecting(last);
        let Some(new_key) = new_key else {
            return acked(self.nats.append(log_of(chain), about, event).await);
        };
        let batch = format!("{:032x}", u128::from_be_bytes(random()?));
        about.insert(headers::NATS_BATCH_ID, batch.as_str());
        about.insert(headers::NATS_BATCH_SEQUENCE, "1");
        let begun = self.nats.client.publish_with_headers(subjects::sigchain_log(chain), about, event).await;
        begun.map_err(|_| Code::Unavailable)?;
        let mut last_part = expecting(0);
        last_part.insert(headers::NATS_BATCH_ID, batch.as_str());
        last_part.insert(headers::NATS_BATCH_SEQUENCE, "2");
        last_part.insert(headers::NATS_BATCH_COMMIT, "1");
        let alias = Bytes::from(chain.to_string());
        acked(self.nats.append(log_of(new_key), last_part, alias).await)
    }
}

fn log_of(key: &Key) -> Subject {
    Subject::named(subjects::SIGCHAIN_LOGS, subjects::sigchain_log(key))
}

fn random() -> Result<[u8; 16], Problem> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| Code::Internal)?;
    Ok(bytes)
}

fn expecting(last: u64) -> HeaderMap {
    let mut about = HeaderMap::new();
    about.insert(headers::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, last.to_string());
    about
}

fn acked(outcome: Result<PublishAck, Refused>) -> Result<Append, Problem> {
    match outcome {
        Ok(_) => Ok(Append::Done),
        Err(Refused::By(e)) if e.error_code().0 == WRONG_LAST_SEQUENCE => Ok(Append::Overtaken),
        Err(Refused::By(e)) if NO_ROOM.contains(&e.error_code()) => {
            tracing::warn!(error = %e, "an event is refused because there is no room for identity logs");
            Err(Code::StorageFull.into())
        }
        Err(e) => Err(unavailable(e)),
    }
}

fn entry(message: Message) -> Option<Entry> {
    let at = header(message.headers.as_ref(), headers::NATS_SEQUENCE)?.parse().ok()?;
    Some(Entry { at, bytes: message.payload })
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
