//! From when a message is due until its reader has it, at fixed rates.

use kez_nats::config::Sync;

use super::{Scale, add_cpu};
use crate::{
    pacer::Pool,
    process::Stopwatch,
    report::Report,
    systems::{Broadcast, Ours, OverHttp, OverNats, RawNats, Sender, System},
};

/// Messages a second; the first is what an idle server does.
const RATES: [u32; 4] = [20, 100, 500, 2000];

pub async fn run(scale: Scale, report: &mut Report) {
    let ours = Ours::with_both(Sync::Always).await;
    let (http, nats) = (OverHttp::open(&ours).await, OverNats::open(&ours).await);
    let (raw, broadcast) = (RawNats::start(Sync::Always).await, Broadcast::with_readers().await);
    for repeat in 1..=scale.repeats {
        for rate in RATES {
            eprintln!("latency: {rate} a second, repeat {repeat} of {}", scale.repeats);
            once(&broadcast, rate, scale, report).await;
            once(&raw, rate, scale, report).await;
            once(&http, rate, scale, report).await;
            once(&nats, rate, scale, report).await;
        }
    }
}

async fn once<S: Sender>(system: &impl System<Sender = S>, rate: u32, scale: Scale, report: &mut Report) {
    let pool = Pool::open(system).await;
    let stopwatch = Stopwatch::start(system.processes());
    let first = pool.run(system, rate, scale.lasts).await;
    let used = stopwatch.stop();
    let latencies = system.arrivals().latencies(first);
    let what = format!("Latency at {rate}/s");
    let micros = |quantile| latencies.value_at_quantile(quantile) as f64 / 1000.0;
    for (figure, value) in
        [("p50 µs", micros(0.5)), ("p99 µs", micros(0.99)), ("longest µs", latencies.max() as f64 / 1000.0)]
    {
        report.add(&what, system.name(), figure, value);
    }
    add_cpu(report, &what, system.name(), &used, latencies.len() as usize);
}
