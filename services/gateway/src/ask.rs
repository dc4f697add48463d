//! The walk of nearly every route: body → one NATS request → the service's answer as it is.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use kez_proto::{Code, http::JSON, limits::CALLER_DEADLINE};
use serde::Serialize;

use crate::{Gateway, refusal::Refusal};

/// A client has this long to send a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);

impl Gateway {
    /// Asks a service; its answer's bytes, or its refusal.
    pub async fn ask(&self, subject: &'static str, request: impl Into<Bytes>) -> Result<Bytes, Refusal> {
        Ok(self.nats.request(subject, request.into(), CALLER_DEADLINE).await?.payload)
    }

    /// The same with a request of ours.
    pub async fn ask_json(&self, subject: &'static str, request: &impl Serialize) -> Result<Bytes, Refusal> {
        self.ask(subject, serde_json::to_vec(request).map_err(|_| Code::Internal)?).await
    }
}

/// Reads a body of at most `limit` bytes.
pub async fn body(body: Body, limit: usize) -> Result<Bytes, Refusal> {
    match tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(Code::TooLarge.into()),
        Err(_) => Err(Code::RequestTimeout.into()),
    }
}

/// A service's JSON as an answer.
pub fn json(status: StatusCode, bytes: Bytes) -> Response {
    (status, [(header::CONTENT_TYPE, JSON)], bytes).into_response()
}
