//! What is measured, a file each.

pub mod latency;
pub mod requests;
pub mod streams;
pub mod throughput;

use std::time::Duration;

use crate::{report::Report, systems::NATS_SERVER};

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Each measurement is made so often, all systems in turn.
    pub repeats: usize,
    /// How long a load lasts.
    pub lasts: Duration,
    /// Idle streams: the smaller and the larger number.
    pub streams: [usize; 2],
}

/// CPU of some processes for 100,000 of something: a column for each process, and ours together.
pub fn add_cpu(
    report: &mut Report,
    what: &str,
    system: &'static str,
    used: &[(&'static str, f64)],
    count: usize,
) {
    let per = |seconds: f64| seconds * 100_000.0 / count as f64;
    for (name, seconds) in used {
        report.add(what, system, &format!("{name}, CPU s/100k"), per(*seconds));
    }
    let (broker, ours): (Vec<_>, Vec<_>) = used.iter().partition(|(name, _)| *name == NATS_SERVER);
    let [broker, ours] = [broker, ours].map(|part| part.iter().map(|(_, seconds)| seconds).sum::<f64>());
    report.add(what, system, "all, CPU s/100k", per(ours + broker));
    if ours > 0.0 && broker > 0.0 {
        report.add(what, system, "ours / nats-server", ours / broker);
    }
}
