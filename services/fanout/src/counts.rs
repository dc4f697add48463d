//! What a fan-out counts, for `/metrics`.

use std::time::Duration;

use kez_kit::metrics::{Metrics, histogram};
use prometheus_client::metrics::{counter::Counter, histogram::Histogram};

/// The counters. Cheap to clone.
#[derive(Clone)]
pub struct Counts {
    store: Histogram,
    duplicates: Counter,
}

impl Counts {
    /// Counters that show among these.
    pub fn new(metrics: &Metrics) -> Self {
        let (store, duplicates) = (histogram(), Counter::default());
        metrics.register(|registry| {
            let registry = registry.sub_registry_with_prefix("kez_fanout");
            registry.register("store_seconds", "Until JetStream acknowledged a message", store.clone());
            registry.register("duplicates", "Messages that were stored before", duplicates.clone());
        });
        Self { store, duplicates }
    }

    /// JetStream acknowledged a message, after so long.
    pub fn stored(&self, after: Duration, duplicate: bool) {
        self.store.observe(after.as_secs_f64());
        if duplicate {
            self.duplicates.inc();
        }
    }
}
