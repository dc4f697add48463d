//! The canary's counters for Prometheus, in the OpenMetrics text form.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, http::header, routing::get};
use prometheus_client::{
    encoding::text,
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use tokio::net::TcpListener;

use super::{
    round::Took,
    step::{Failed, Step},
};
use crate::{context::Context, failure::Failure};

type Label = [(&'static str, &'static str); 1];

/// Cheap to clone.
#[derive(Clone)]
pub struct Counts {
    registry: Arc<Registry>,
    successes: Counter,
    failures: Family<Label, Counter>,
    accepted: Histogram,
    arrived: Family<Label, Histogram, fn() -> Histogram>,
}

/// From a millisecond to sixteen seconds, which is beyond the usual deadline.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 15))
}

impl Default for Counts {
    fn default() -> Self {
        let (successes, failures) = (Counter::default(), Family::<Label, Counter>::default());
        let (accepted, arrived) = (histogram(), Family::new_with_constructor(histogram as fn() -> Histogram));
        for step in Step::ALL {
            drop(failures.get_or_create(&[("step", step.name())]));
        }
        let mut registry = Registry::with_prefix("kez_canary");
        registry.register("successes", "Messages that came back, opened and deleted", successes.clone());
        registry.register("failures", "Messages that didn't, by the step that failed", failures.clone());
        registry.register("accepted_seconds", "From the POST until its answer", accepted.clone());
        registry.register(
            "arrived_seconds",
            "From the answer to the POST until the message was there",
            arrived.clone(),
        );
        Self { registry: Arc::new(registry), successes, failures, accepted, arrived }
    }
}

impl Counts {
    pub fn count(&self, outcome: &Result<Took, Failed>) {
        match outcome {
            Ok(took) => {
                self.successes.inc();
                self.accepted.observe(took.accepted.as_secs_f64());
                for (way, after) in &took.arrived {
                    self.arrived.get_or_create(&[("way", way.name())]).observe(after.as_secs_f64());
                }
            }
            Err(failed) => {
                self.failures.get_or_create(&[("step", failed.step.name())]).inc();
            }
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a text doesn't fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

/// Where Prometheus asks.
pub struct Listener(TcpListener);

impl Listener {
    pub async fn bind(address: SocketAddr, context: &Context) -> Result<Self, Failure> {
        let wrong = |e| Failure::refused(format!("can't listen on --metrics-bind {address}: {e}"));
        let listener = TcpListener::bind(address).await.map_err(wrong)?;
        let address = listener.local_addr().map_err(wrong)?;
        context.out.status(&format!("metrics at http://{address}/metrics"));
        Ok(Self(listener))
    }

    pub async fn serve(self, counts: Counts) -> Result<(), Failure> {
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        let answer = move || async move { ([(header::CONTENT_TYPE, kind)], counts.text()) };
        let router = Router::new().route("/metrics", get(answer));
        axum::serve(self.0, router).await.map_err(Failure::refused)
    }
}
