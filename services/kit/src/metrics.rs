//! Counters for Prometheus: `/metrics` on the admin listener, in the OpenMetrics text form. What every service counts is here; each has its own beside it.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use kez_proto::Code;
use prometheus_client::{
    encoding::text,
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// A label.
type Label = (&'static str, &'static str);
/// Durations by one label.
type Durations = Family<[Label; 1], Histogram, fn() -> Histogram>;

/// A process's counters. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    requests: Durations,
    refusals: Family<[Label; 2], Counter>,
    connections: Family<[Label; 1], Counter>,
}

/// From half a millisecond to four seconds, which is beyond every deadline.
pub fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 2.0, 14))
}

impl Metrics {
    /// Registers counters; what is counted stays with whoever counts.
    pub fn register<T>(&self, add: impl FnOnce(&mut Registry) -> T) -> T {
        add(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A request on this subject was answered, after so long.
    pub(crate) fn answered(&self, subject: &'static str, after: Duration, refused: Option<Code>) {
        self.requests.get_or_create(&[("subject", subject)]).observe(after.as_secs_f64());
        if let Some(code) = refused {
            self.refusals.get_or_create(&[("subject", subject), ("code", code.as_str())]).inc();
        }
    }

    /// A connection to NATS was made under this name.
    pub(crate) fn connected(&self, name: &'static str) {
        self.connections.get_or_create(&[("name", name)]).inc();
    }

    /// `GET /metrics`
    pub fn router(&self) -> Router {
        let metrics = self.clone();
        Router::new().route("/metrics", get(move || async move { metrics.answer() }))
    }

    fn answer(&self) -> Response {
        let mut body = String::new();
        let encoded = text::encode(&mut body, &self.registry.lock().unwrap_or_else(PoisonError::into_inner));
        match encoded {
            Ok(()) => {
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                ([(header::CONTENT_TYPE, kind)], body).into_response()
            }
            Err(fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let requests = Durations::new_with_constructor(histogram);
        let (refusals, connections) = (Family::default(), Family::default());
        let mut registry = Registry::default();
        registry.register(
            "kez_request_seconds",
            "Requests over NATS that were answered, by subject",
            requests.clone(),
        );
        registry.register(
            "kez_request_refusals",
            "Requests over NATS that were refused, by subject and code",
            Family::clone(&refusals),
        );
        registry.register(
            "kez_nats_connections_made",
            "Connections made to NATS: the first, and each after a loss",
            Family::clone(&connections),
        );
        Self { registry: Arc::new(Mutex::new(registry)), requests, refusals, connections }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}
