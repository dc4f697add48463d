//! People who wait: what an open stream costs that nothing comes on, and how soon all are back after a restart of the gateway.

use std::time::Instant;

use futures_util::{StreamExt, stream};
use kez_nats::config::Sync;
use tokio::time::sleep;

use super::Scale;
use crate::{
    http::Stream,
    process::{Process, Stopwatch},
    report::Report,
    systems::{Broadcast, NATS_SERVER, Ours, System, settle},
};

/// Streams that are opened at once.
const AT_ONCE: usize = 64;
const FLOOR: &str = "axum broadcast, no storage";
const OURS: &str = "Kez Chat";

pub async fn run(scale: Scale, report: &mut Report) {
    let largest = scale.streams[1];
    eprintln!("streams: {largest} people register");
    let mut ours = Ours::start(Sync::Always, 1, largest).await;
    for count in scale.streams {
        eprintln!("{count} idle streams");
        let what = format!("{count} idle streams");
        let floor = Broadcast::start();
        measure(&what, FLOOR, floor.processes(), count, scale, report, |n| floor.stream(n)).await;
        let open = |n: usize| ours.stream(&ours.people[n], 0);
        let streams = measure(&what, OURS, ours.processes(), count, scale, report, open).await;
        if count == largest {
            restart(&what, &mut ours, streams, report).await;
        }
    }
}

/// Opens them, and holds them while nothing happens.
async fn measure<F: Future<Output = Stream>>(
    what: &str,
    system: &'static str,
    processes: Vec<Process>,
    count: usize,
    scale: Scale,
    report: &mut Report,
    open: impl Fn(usize) -> F,
) -> Vec<Stream> {
    let before: Vec<f64> = processes.iter().map(Process::resident).collect();
    let (stopwatch, began) = (Stopwatch::start(processes.clone()), Instant::now());
    let streams = open_all(count, open).await;
    let (took, used) = (began.elapsed(), stopwatch.stop());
    settle().await;
    for (process, before) in processes.iter().zip(before) {
        let kib = (process.resident() - before) * 1024.0 / count as f64;
        report.add(what, system, &format!("{}, KiB each", process.name), kib);
    }
    report.add(what, system, "opened/s", count as f64 / took.as_secs_f64());
    let opening: f64 = used.iter().map(|(_, seconds)| seconds).sum();
    report.add(what, system, "opening, CPU ms each", opening * 1000.0 / count as f64);
    let holding = Stopwatch::start(processes);
    sleep(scale.lasts).await;
    for (name, seconds) in holding.stop() {
        report.add(
            what,
            system,
            &format!("{name} holds, % of a core"),
            seconds * 100.0 / scale.lasts.as_secs_f64(),
        );
    }
    streams
}

async fn open_all<F: Future<Output = Stream>>(count: usize, open: impl Fn(usize) -> F) -> Vec<Stream> {
    stream::iter(0..count).map(open).buffer_unordered(AT_ONCE).collect().await
}

/// The gateway ends, another one takes its place, and everybody comes back.
async fn restart(what: &str, ours: &mut Ours, streams: Vec<Stream>, report: &mut Report) {
    let address = ours.gateway(0).to_string();
    drop(streams);
    let mut gateway = ours.deployment.gateways.remove(0);
    assert!(gateway.terminate().await.success(), "{}", gateway.log());
    let mut gateway = ours.deployment.gateway(&address);
    gateway.ready().await;
    ours.deployment.gateways.push(gateway);
    let (stopwatch, began) = (Stopwatch::start(ours.processes()), Instant::now());
    let people = &ours.people;
    let back = open_all(people.len(), |n| ours.stream(&people[n], 0)).await;
    let (took, used) = (began.elapsed(), stopwatch.stop());
    report.add(what, OURS, "all back after, s", took.as_secs_f64());
    let (broker, own): (Vec<_>, Vec<_>) = used.into_iter().partition(|(name, _)| *name == NATS_SERVER);
    report.add(what, OURS, "coming back, ours CPU s", own.iter().map(|(_, s)| s).sum());
    report.add(what, OURS, "coming back, nats-server CPU s", broker.iter().map(|(_, s)| s).sum());
    drop(back);
}
