//! JetStream by its own protocol, where the client library has no word for it or would queue what must fail: append with an ack, batch reads.

use std::time::Duration;

use async_nats::{
    HeaderMap, Message,
    jetstream::{self, ErrorCode, publish::PublishAck, response::Response},
};
use bytes::Bytes;
use futures_util::StreamExt;
use kez_proto::{headers, limits::SERVICE_DEADLINE, subjects};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;
use tracing::Instrument;

use crate::{
    Nats,
    nats::{Unanswered, header},
    trace::{self, Subject},
};

/// Status of a batch's end (ADR-31), and of a batch with nothing in it.
const END_OF_BATCH: u16 = 204;
const NOTHING_FOUND: u16 = 404;

/// What JetStream says where there is no room: a limit of the stream refuses it (which one is told by the description alone), or one of the account or
/// the server.
pub const NO_ROOM: [ErrorCode; 3] = [
    ErrorCode::STREAM_STORE_FAILED,
    ErrorCode::STORAGE_RESOURCES_EXCEEDED,
    ErrorCode::INSUFFICIENT_RESOURCES,
];

/// Why JetStream didn't do it.
#[derive(Debug)]
pub enum Refused {
    /// No answer, or none that can be read.
    Away(Unanswered),
    /// It says no.
    By(jetstream::Error),
}

/// Messages of one subject.
#[derive(Debug)]
pub struct Batch {
    /// In order.
    pub messages: Vec<Message>,
    /// Whether more come behind the last one.
    pub more: bool,
}

impl Nats {
    /// Appends to whatever stream takes `subject`. Without an ack the message may be stored or not.
    pub async fn append(
        &self,
        subject: impl Into<Subject>,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<PublishAck, Refused> {
        self.ask_jetstream(subject.into(), headers, payload).await
    }

    /// A request of the JetStream API about `stream`, such as `$JS.API.STREAM.PURGE`.
    pub async fn jetstream_api<T: DeserializeOwned>(
        &self,
        api: &'static str,
        stream: &str,
        request: &Value,
    ) -> Result<T, Refused> {
        let subject = Subject::named(api, format!("{api}.{stream}"));
        self.ask_jetstream(subject, HeaderMap::new(), request.to_string().into()).await
    }

    async fn ask_jetstream<T: DeserializeOwned>(
        &self,
        subject: Subject,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<T, Refused> {
        let name = subject.text.clone();
        let answer = self.request_storing(subject, headers, payload, SERVICE_DEADLINE).await;
        let answer = answer.map_err(Refused::Away)?;
        match serde_json::from_slice(&answer.payload) {
            Ok(Response::Ok(answer)) => Ok(answer),
            Ok(Response::Err { error }) => Err(Refused::By(error)),
            Err(e) => {
                Err(Refused::Away(Unanswered::Away(format!("{name}: an answer that can't be read: {e}"))))
            }
        }
    }

    /// Reads many messages of `stream` with one request (ADR-31), from any replica: the newest may be missing for a moment. What came until the
    /// deadline is in order and of use; only if nothing came it is an error.
    pub async fn read_batch(
        &self,
        stream: &str,
        request: &Value,
        deadline: Duration,
    ) -> Result<Batch, Unanswered> {
        let span = trace::request(&Subject::named("$JS.API.DIRECT.GET", subjects::direct_get(stream)));
        let batch = self.read(stream, request, deadline).instrument(span.clone()).await;
        trace::sent(&span, &batch);
        batch
    }

    async fn read(&self, stream: &str, request: &Value, deadline: Duration) -> Result<Batch, Unanswered> {
        let away = |why: &dyn std::fmt::Display| Unanswered::Away(format!("{stream} can't be read: {why}"));
        if !self.is_connected() {
            return Err(away(&"NATS is away"));
        }
        let mut messages = Vec::new();
        let read = async {
            let inbox = self.client.new_inbox();
            let mut answers = self.client.subscribe(inbox.clone()).await.map_err(|e| away(&e))?;
            let subject = subjects::direct_get(stream);
            self.client
                .publish_with_reply(subject, inbox, request.to_string().into())
                .await
                .map_err(|e| away(&e))?;
            while let Some(answer) = answers.next().await {
                match answer.status.map(|status| status.as_u16()) {
                    None => messages.push(answer),
                    Some(NOTHING_FOUND) => return Ok(false),
                    Some(END_OF_BATCH) => {
                        let pending = header(answer.headers.as_ref(), headers::NATS_NUM_PENDING);
                        return Ok(pending.is_some_and(|n| n != "0"));
                    }
                    Some(status) => return Err(away(&status)),
                }
            }
            Err(away(&"the connection ended"))
        };
        match timeout(deadline, read).await {
            Ok(more) => more.map(|more| Batch { messages, more }),
            Err(_) if messages.is_empty() => Err(away(&format_args!("no answer in {deadline:?}"))),
            Err(_) => Ok(Batch { messages, more: true }),
        }
    }
}
