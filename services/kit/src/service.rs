//! A NATS service (ADR-32): endpoints in a queue group, a task per request, errors in the service headers, and an end that finishes what is under way.

use std::{
    collections::HashMap,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::{
    HeaderMap,
    service::{Request, Service as NatsService, ServiceExt},
};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use kez_proto::{
    Code, Problem,
    headers::{KEZ_CHAIN_HEAD, RETRY_AFTER},
};
use serde_json::Value;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::{Failure, Nats, metrics::Metrics, task, trace};

type Answer = Pin<Box<dyn Future<Output = Result<Bytes, Problem>> + Send>>;
type Handler = Arc<dyn Fn(Call) -> Answer + Send + Sync>;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Call {
    /// The caller's headers.
    pub headers: Option<HeaderMap>,
    /// The body.
    pub payload: Bytes,
}

/// Requests in one endpoint's hands at once; more wait in the subscription.
const CONCURRENCY: usize = 4096;

/// A running service.
pub struct Service {
    service: NatsService,
    requests: TaskTracker,
    nats: Nats,
}

impl Service {
    /// Registers a service without endpoints.
    pub async fn start(nats: &Nats, name: &str, description: &str) -> Result<Self, Failure> {
        Self::telling(nats, name, description, HashMap::new(), || Value::Null).await
    }

    /// The same for a service that has more to tell of itself: its `metadata`, and the `data` of each endpoint in the answer to `$SRV.STATS`.
    pub async fn telling(
        nats: &Nats,
        name: &str,
        description: &str,
        metadata: HashMap<String, String>,
        data: impl Fn() -> Value + Send + Sync + 'static,
    ) -> Result<Self, Failure> {
        let service = nats
            .client
            .service_builder()
            .description(description)
            .metadata(metadata)
            .stats_handler(move |_, _| data())
            .start(name, env!("CARGO_PKG_VERSION"))
            .await;
        let service = service.map_err(|e| Failure::internal(format_args!("can't register {name}: {e}")))?;
        Ok(Self { service, requests: TaskTracker::new(), nats: nats.clone() })
    }

    /// Answers `subject` with `handler`, concurrently. A handler that panics answers `internal`.
    pub async fn endpoint<F>(
        &self,
        subject: &'static str,
        handler: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Result<(), Failure>
    where
        F: Future<Output = Result<Bytes, Problem>> + Send + 'static,
    {
        let name = subject.trim_end_matches(".*").replace('.', "-");
        let endpoint = self.service.endpoint_builder().name(name).add(subject).await;
        let endpoint = endpoint.map_err(|e| Failure::internal(format_args!("can't serve {subject}: {e}")))?;
        let handler: Handler = Arc::new(move |call| Box::pin(handler(call)));
        let (requests, metrics) = (self.requests.clone(), self.nats.metrics.clone());
        let serving = async move {
            endpoint
                .for_each_concurrent(CONCURRENCY, |request| {
                    let answer = task::spawn(
                        "request",
                        requests.track_future(answer(request, subject, handler.clone(), metrics.clone())),
                    );
                    async move { drop(answer.await) }
                })
                .await;
        };
        // Tracked too: after a stop it still hands out the requests that had arrived.
        task::spawn("endpoint", self.requests.track_future(serving));
        Ok(())
    }

    /// Takes no more requests, and waits until those taken are answered, at most `drain`.
    pub async fn stop(self, drain: Duration) {
        if let Err(error) = self.service.stop().await {
            tracing::debug!(%error, "stopping a service");
        }
        self.requests.close();
        let finish = async {
            self.requests.wait().await;
            let _ = self.nats.client.flush().await;
        };
        // While NATS is away nothing can be answered, and a flush would wait until it is back.
        if self.nats.is_connected() && tokio::time::timeout(drain, finish).await.is_err() {
            tracing::warn!("requests were still under way at the end of the drain window");
        }
    }
}

async fn answer(request: Request, subject: &'static str, handler: Handler, metrics: Metrics) {
    let message = &request.message;
    // Who names no place for the answer asks nothing, and another's answer that strayed here does nothing.
    if message.reply.is_none() {
        tracing::debug!(subject, "a message that is no request");
        return;
    }
    let came = Instant::now();
    let span = trace::endpoint(subject, message.headers.as_ref());
    let call = Call { headers: message.headers.clone(), payload: message.payload.clone() };
    let outcome = AssertUnwindSafe(handler(call)).catch_unwind().instrument(span.clone()).await;
    let outcome = span.in_scope(|| {
        outcome.unwrap_or_else(|_| {
            tracing::error!(subject, "a request handler panicked");
            Err(Code::Internal.into())
        })
    });
    let refused = outcome.as_ref().err().map(|problem| problem.code);
    metrics.answered(subject, came.elapsed(), refused);
    trace::answered(&span, refused);
    let mut headers = HeaderMap::new();
    let outcome = outcome.map_err(|problem| {
        span.in_scope(|| tracing::debug!(subject, %problem, "refused"));
        if let Some(seconds) = problem.retry_after {
            headers.insert(RETRY_AFTER, seconds.to_string());
        }
        if let Some(head) = problem.head.as_ref().and_then(|head| serde_json::to_string(head).ok()) {
            headers.insert(KEZ_CHAIN_HEAD, head);
        }
        async_nats::service::error::Error { status: problem.to_service_error(), code: problem.status.into() }
    });
    if let Err(error) = request.respond_with_headers(outcome, headers).await {
        tracing::warn!(subject, %error, "an answer couldn't be sent");
    }
}

/// Decodes a request, which is a JSON object; `malformed_json` if it isn't one.
pub fn decode<'a, T: serde::Deserialize<'a>>(payload: &'a [u8]) -> Result<T, Problem> {
    // A list of the members would be read as an object of them.
    if !payload.trim_ascii_start().starts_with(b"{") {
        return Err(Code::MalformedJson.into());
    }
    serde_json::from_slice(payload)
        .map_err(|e| Problem::new(Code::MalformedJson, format!("{}: {e}", Code::MalformedJson.detail())))
}

/// Encodes an answer.
pub fn encode<T: serde::Serialize>(answer: &T) -> Result<Bytes, Problem> {
    serde_json::to_vec(answer).map(Bytes::from).map_err(|e| Problem::new(Code::Internal, e.to_string()))
}
