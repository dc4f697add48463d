//! As many as go through: senders that wait for each acknowledgement and send again at once.

use std::time::{Duration, Instant};

use kez_nats::config::Sync;
use tokio::task::JoinSet;

use super::{Scale, add_cpu};
use crate::{
    process::Stopwatch,
    report::Report,
    systems::{Broadcast, Ours, OverHttp, OverNats, PEOPLE, RawNats, Sender, System},
};

const SENDERS: usize = 1000;

pub async fn run(scale: Scale, report: &mut Report) {
    for (sync, what) in [
        (Sync::Always, "Throughput, each message on disk before it is acknowledged"),
        (Sync::Interval(Duration::from_secs(120)), "Throughput, on disk within two minutes"),
    ] {
        let ours = Ours::with_both(sync).await;
        let (http, nats) = (OverHttp::open(&ours).await, OverNats::open(&ours).await);
        let (raw, broadcast) = (RawNats::start(sync).await, Broadcast::with_readers().await);
        for repeat in 1..=scale.repeats {
            eprintln!("{what}: repeat {repeat} of {}", scale.repeats);
            once(&broadcast, what, scale, report).await;
            once(&raw, what, scale, report).await;
            once(&http, what, scale, report).await;
            once(&nats, what, scale, report).await;
        }
    }
}

async fn once<S: Sender>(system: &impl System<Sender = S>, what: &str, scale: Scale, report: &mut Report) {
    let mut senders = vec![];
    for _ in 0..SENDERS {
        senders.push(system.sender().await);
    }
    let (stopwatch, before) = (Stopwatch::start(system.processes()), system.arrivals().arrived());
    let (began, mut sending) = (Instant::now(), JoinSet::new());
    for mut sender in senders {
        let arrivals = system.arrivals().clone();
        sending.spawn(async move {
            while began.elapsed() < scale.lasts {
                let n = arrivals.due(Instant::now());
                sender.send(n % PEOPLE, n).await;
            }
        });
    }
    while let Some(sent) = sending.join_next().await {
        sent.expect("a send doesn't fail");
    }
    system.arrivals().all().await;
    let (took, used) = (began.elapsed(), stopwatch.stop());
    let count = system.arrivals().arrived() - before;
    report.add(what, system.name(), "delivered/s", count as f64 / took.as_secs_f64());
    add_cpu(report, what, system.name(), &used, count);
}
