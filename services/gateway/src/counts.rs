//! What a gateway counts, for `/metrics`.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use kez_kit::{
    metrics::{Metrics, histogram},
    trace,
};
use kez_proto::{Code, sse::ResyncReason};
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram};
use time::OffsetDateTime;
use tracing::Instrument;

type Answers = Family<[(&'static str, String); 2], Histogram, fn() -> Histogram>;
type ByWord = Family<[(&'static str, &'static str); 1], Counter>;

/// The counters. Cheap to clone.
#[derive(Clone)]
pub struct Counts {
    answers: Answers,
    refusals: ByWord,
    /// Streams that are open.
    pub streams: Gauge,
    /// Messages queued for the readers of streams.
    pub delivered: Counter,
    /// Gaps in what was pushed, closed from history.
    pub repairs: Counter,
    resyncs: ByWord,
    pushes: Histogram,
}

impl Counts {
    /// Counters that show among these.
    pub fn new(metrics: &Metrics) -> Self {
        let counts = Self {
            answers: Family::new_with_constructor(histogram),
            refusals: Family::default(),
            streams: Gauge::default(),
            delivered: Counter::default(),
            repairs: Counter::default(),
            resyncs: Family::default(),
            pushes: histogram(),
        };
        let Self { answers, refusals, streams, delivered, repairs, resyncs, pushes } = counts.clone();
        metrics.register(|registry| {
            let registry = registry.sub_registry_with_prefix("kez_gateway");
            registry.register("http_seconds", "HTTP requests until their answer began, by route and status; of POST /v1/messages, until the message was stored", answers);
            registry.register("http_refusals", "Refused HTTP requests, by code", refusals);
            registry.register("streams", "Open SSE streams", streams);
            registry.register("stream_messages", "Messages delivered to SSE streams", delivered);
            registry.register("stream_repairs", "Gaps in live pushes that were closed from history", repairs);
            registry.register("stream_resyncs", "Streams that told their reader to start again, by reason", resyncs);
            registry.register("push_seconds", "From a message's storing, by the clock of nats-server, until it was queued for a reader who is live", pushes);
        });
        counts
    }

    /// A stream tells its reader to start again.
    pub fn resync(&self, reason: ResyncReason) {
        let reason = match reason {
            ResyncReason::Cursor => "cursor",
            ResyncReason::Slow => "slow",
            ResyncReason::Gap => "gap",
        };
        self.resyncs.get_or_create(&[("reason", reason)]).inc();
    }

    /// A message that was stored at this time was queued as soon as it was pushed.
    pub fn pushed(&self, stored: Option<OffsetDateTime>) {
        self.delivered.inc();
        if let Some(stored) = stored {
            let since = OffsetDateTime::now_utc() - stored;
            self.pushes.observe(since.as_seconds_f64().max(0.0));
        }
    }
}

/// Middleware: counts an answer, and begins its trace.
pub async fn count(State(counts): State<Counts>, request: Request, next: Next) -> Response {
    let came = Instant::now();
    // What isn't a route is the web client, or nothing.
    let path = request.extensions().get::<MatchedPath>().map_or("other", |path| path.as_str());
    let route = format!("{} {path}", method(&request));
    let span = trace::http(method(&request), path, request.headers());
    let response = next.run(request).instrument(span.clone()).await;
    let labels = [("route", route), ("status", response.status().as_str().to_owned())];
    counts.answers.get_or_create(&labels).observe(came.elapsed().as_secs_f64());
    let refused = response.extensions().get::<Code>().copied();
    trace::http_answered(&span, response.status().as_u16(), refused);
    if let Some(code) = refused {
        counts.refusals.get_or_create(&[("code", code.as_str())]).inc();
    }
    response
}

/// A client may name any method; there are as many counters as there are names.
fn method(request: &Request) -> &str {
    match request.method().as_str() {
        method @ ("GET" | "HEAD" | "POST" | "DELETE" | "OPTIONS") => method,
        _ => "other",
    }
}
