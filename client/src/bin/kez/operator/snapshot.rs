//! A stream's snapshot, taken and put back: JetStream's own, which keeps every message with its sequence, time and headers.
//!
//! The client library has no word for it. The parts of a snapshot come to a subject of ours, and each is acknowledged, so that nats-server sends no more than
//! can be written; the way back is a request for each part.

use std::{io::Read, time::Duration};

use async_nats::{Message, Request, RequestError, RequestErrorKind, jetstream};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::{
    ANSWER, Operator,
    streams::{Stream, read, refused},
};
use crate::{failure::Failure, progress::Progress};

/// The status of a snapshot's end.
const END: u16 = 204;
/// Bytes of a part.
const PART: usize = 256 << 10;
/// Between tries.
const PAUSE: Duration = Duration::from_millis(50);
/// A part is on its way within milliseconds. Before the first one nats-server looks at every message.
const STALLED: Duration = Duration::from_secs(60);

impl Operator {
    /// Takes the snapshot of a stream, and gives its parts to `write`, in order. What the stream was when it began; what was added since may be in it.
    pub async fn take(
        &self,
        name: &str,
        progress: &mut Progress<'_>,
        mut write: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<Stream, Failure> {
        let inbox = self.client.new_inbox();
        let mut parts = self.client.subscribe(inbox.clone()).await.map_err(Failure::refused)?;
        // A message that is damaged in the store is found now.
        let request =
            json!({"deliver_subject": inbox, "no_consumers": true, "jsck": true, "chunk_size": PART});
        let asked = self.ask::<Stream>("SNAPSHOT", name, &request);
        let stream = progress.during(asked).await?.map_err(|e| refused(name, &e))?;
        loop {
            let part = self.unless_lost(timeout(STALLED, parts.next()));
            let part = progress.during(part).await?;
            let part = part.ok().flatten().ok_or_else(|| {
                Failure::refused(format!("no more of {name} came for {} s", STALLED.as_secs()))
            })?;
            if part.payload.is_empty() {
                return match part.status {
                    None => Ok(stream),
                    Some(status) if status.as_u16() == END => Ok(stream),
                    Some(status) => {
                        let words = part.description.unwrap_or_default();
                        Err(Failure::refused(format!("nats-server broke {name} off: {status} {words}")))
                    }
                };
            }
            write(&part.payload)?;
            progress.add(part.payload.len());
            if let Some(reply) = part.reply {
                self.client.publish(reply, Bytes::new()).await.map_err(Failure::refused)?;
            }
        }
    }

    /// Makes a stream of a snapshot, with this configuration. Where that fails, a part of the stream may be there.
    pub async fn give(
        &self,
        name: &str,
        config: &Value,
        state: &Value,
        progress: &mut Progress<'_>,
        mut snapshot: impl Read,
    ) -> Result<(), Failure> {
        #[derive(Deserialize)]
        struct Begun {
            deliver_subject: String,
        }
        let begun = self.ask::<Begun>("RESTORE", name, &json!({"config": config, "state": state})).await?;
        let Begun { deliver_subject } = begun.map_err(|e| refused(name, &e))?;
        let mut part = vec![0; PART];
        loop {
            let length = fill(&mut snapshot, &mut part)
                .map_err(|e| Failure::refused(format!("can't read the snapshot of {name}: {e}")))?;
            let payload = Bytes::copy_from_slice(&part[..length]);
            let answer = self.unless_lost(self.give_part(&deliver_subject, payload));
            let answer = progress.during(answer).await?;
            let answer =
                answer.map_err(|e| Failure::refused(format!("nats-server takes no more of {name}: {e}")))?;
            progress.add(length);
            // The empty part is the end, and its answer what came of it.
            if length == 0 {
                return read::<Value>(name, &answer.payload)?
                    .map(drop)
                    .map_err(|e| not_made(name, config, &e));
            }
            if !answer.payload.is_empty() {
                read::<Value>(name, &answer.payload)?.map_err(|e| refused(name, &e))?;
            }
        }
    }

    async fn give_part(&self, to: &str, part: Bytes) -> Result<Message, RequestError> {
        let begun = Instant::now();
        loop {
            let request = Request::new().payload(part.clone()).timeout(None);
            match self.client.send_request(to.to_owned(), request).await {
                // The server that takes it is another one of the cluster, and this one doesn't know yet.
                Err(e) if e.kind() == RequestErrorKind::NoResponders && begun.elapsed() < ANSWER => {
                    sleep(PAUSE).await;
                }
                answer => return answer,
            }
        }
    }
}

/// What became of a snapshot is told in words alone.
fn not_made(name: &str, config: &Value, error: &jetstream::Error) -> Failure {
    let words = error.to_string();
    if words.contains("not supported in non-clustered mode") {
        let copies = &config["num_replicas"];
        return Failure::refused(format!(
            "this NATS isn't a cluster and can't keep {copies} copies of {name}; give --replicas 1"
        ));
    }
    if words.contains("insufficient") {
        return Failure::refused(format!("NATS hasn't the room that {name} needs: {words}; free some disk"));
    }
    refused(name, error)
}

/// Reads until the buffer is full or nothing is left.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}
