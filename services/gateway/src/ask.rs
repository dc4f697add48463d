//! The walk of nearly every route: body → one NATS request → the service's answer as it is.

use std::time::Duration;

use async_nats::HeaderMap;
use axum::{
    body::{Body, BodyDataStream, Bytes, HttpBody},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::BytesMut;
use futures_util::StreamExt;
use kez_kit::{nats::service_error, task};
use kez_proto::{Code, http::JSON, limits::CALLER_DEADLINE};
use serde::Serialize;
use tokio::time::timeout;

use crate::{Gateway, refusal::Refusal};

/// A client has this long to send a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);
/// What is still taken from a client that was refused.
const DISCARD_BYTES: usize = 4 << 20;
/// And for how long.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);

impl Gateway {
    /// Asks a service; its answer's bytes, or its refusal.
    pub async fn ask(&self, subject: &'static str, request: impl Into<Bytes>) -> Result<Bytes, Refusal> {
        self.ask_with(subject, HeaderMap::new(), request).await
    }

    /// The same with headers of ours.
    pub async fn ask_with(
        &self,
        subject: &'static str,
        headers: HeaderMap,
        request: impl Into<Bytes>,
    ) -> Result<Bytes, Refusal> {
        let answer =
            self.nats.request_with_headers(subject, headers, request.into(), CALLER_DEADLINE).await?;
        match service_error(&answer) {
            None => Ok(answer.payload),
            Some(problem) => Err(problem.into()),
        }
    }

    /// The same with a request of ours.
    pub async fn ask_json(&self, subject: &'static str, request: &impl Serialize) -> Result<Bytes, Refusal> {
        self.ask(subject, serde_json::to_vec(request).map_err(|_| Code::Internal)?).await
    }
}

/// Reads a body of at most `limit` bytes.
pub async fn body(body: Body, limit: usize) -> Result<Bytes, Refusal> {
    let mut chunks = body.into_data_stream();
    let mut taken = BytesMut::new();
    let read = async {
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| Code::MalformedJson)?;
            if taken.len() + chunk.len() > limit {
                return Err(Code::TooLarge);
            }
            taken.extend_from_slice(&chunk);
        }
        Ok(())
    };
    match timeout(BODY_TIMEOUT, read).await.unwrap_or(Err(Code::RequestTimeout)) {
        Ok(()) => Ok(taken.freeze()),
        Err(code) => {
            discard(chunks);
            Err(code.into())
        }
    }
}

/// Takes what a refused client is still sending, within bounds: if the connection ended under it, it would never see the refusal.
pub fn discard(mut rest: BodyDataStream) {
    if rest.is_end_stream() {
        return;
    }
    task::spawn("discard", async move {
        let read = async {
            let mut room = DISCARD_BYTES;
            while let Some(Ok(chunk)) = rest.next().await {
                let Some(less) = room.checked_sub(chunk.len()) else { return };
                room = less;
            }
        };
        let _ = timeout(DISCARD_TIMEOUT, read).await;
    });
}

/// A service's JSON as an answer.
pub fn json(status: StatusCode, bytes: Bytes) -> Response {
    (status, [(header::CONTENT_TYPE, JSON), (header::CACHE_CONTROL, "no-store")], bytes).into_response()
}
