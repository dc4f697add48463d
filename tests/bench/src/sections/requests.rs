//! Requests that carry no mail: registrations, look-ups, logins to NATS.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use kez_nats::config::Sync;
use kez_proto::registration::Registration;
use kez_tests::{Person, SERVER};
use tokio::task::JoinSet;

use super::Scale;
use crate::{
    http::Connection,
    process::Stopwatch,
    report::Report,
    systems::{Ours, PEOPLE, handle},
};

const CONNECTIONS: usize = 64;
const LOGINS: usize = 2000;
const LOGINS_AT_ONCE: usize = 32;

pub async fn run(scale: Scale, report: &mut Report) {
    let ours = Ours::start(Sync::Always, 1, PEOPLE).await;
    for repeat in 1..=scale.repeats {
        eprintln!("requests: repeat {repeat} of {}", scale.repeats);
        let name = |n: usize| format!("{}-{repeat}", handle(PEOPLE + n));
        register(&ours, name, report).await;
        let lookup = |n: usize| format!("/v1/u/{}", handle(n % PEOPLE));
        gets(&ours, "Look-ups", lookup, scale, report).await;
        let webfinger =
            |n: usize| format!("/.well-known/webfinger?resource=acct:{}@kez.test", handle(n % PEOPLE));
        gets(&ours, "WebFinger", webfinger, scale, report).await;
        logins(&ours, report).await;
    }
}

/// Signed beforehand, so that signing isn't measured.
async fn register(ours: &Ours, name: impl Fn(usize) -> String, report: &mut Report) {
    const COUNT: usize = 2000;
    let what = "Registrations";
    let bodies: Vec<Bytes> =
        (0..COUNT).map(|n| Person::new(&name(n)).registration().to_string().into()).collect();
    let (began, server) = (Instant::now(), SERVER.parse().expect("a name"));
    for body in &bodies {
        black_box(Registration::verify(body, &server)).expect("it is signed");
    }
    let each = began.elapsed().as_secs_f64() / COUNT as f64;
    report.add(what, "one strict verification, with its JSON", "each, CPU µs", each * 1e6);
    let (stopwatch, began) = (Stopwatch::start(ours.processes()), Instant::now());
    let bodies = Arc::new(bodies);
    let mut asking = JoinSet::new();
    for first in 0..CONNECTIONS {
        let (mut connection, bodies) = (Connection::open(ours.gateway(first)).await, bodies.clone());
        asking.spawn(async move {
            for body in bodies.iter().skip(first).step_by(CONNECTIONS) {
                let (status, answer) = connection.ask("POST", "/v1/register", "", body.clone()).await;
                assert_eq!(status, 201, "{answer:?}");
            }
        });
    }
    asking.join_all().await;
    tell(what, COUNT, began.elapsed(), stopwatch, report);
}

async fn gets(ours: &Ours, what: &str, path: impl Fn(usize) -> String, scale: Scale, report: &mut Report) {
    let (stopwatch, began) = (Stopwatch::start(ours.processes()), Instant::now());
    let mut asking = JoinSet::new();
    for n in 0..CONNECTIONS {
        let (mut connection, path) = (Connection::open(ours.gateway(n)).await, path(n));
        asking.spawn(async move {
            let mut count = 0;
            while began.elapsed() < scale.lasts {
                let (status, answer) = connection.ask("GET", &path, "", Bytes::new()).await;
                assert_eq!(status, 200, "{answer:?}");
                count += 1;
            }
            count
        });
    }
    let count = asking.join_all().await.into_iter().sum();
    tell(what, count, began.elapsed(), stopwatch, report);
}

/// Everybody in turn, out again at once.
async fn logins(ours: &Ours, report: &mut Report) {
    let url = ours.deployment.nats.url();
    let (stopwatch, began) = (Stopwatch::start(ours.processes()), Instant::now());
    let logins = stream::iter(0..LOGINS).map(|n| ours.people[n % PEOPLE].connect_nats(&url));
    logins.buffer_unordered(LOGINS_AT_ONCE).for_each(async |client| drop(client)).await;
    tell("Logins to NATS", LOGINS, began.elapsed(), stopwatch, report);
}

fn tell(what: &str, count: usize, took: Duration, stopwatch: Stopwatch, report: &mut Report) {
    report.add(what, "Kez Chat", "a second", count as f64 / took.as_secs_f64());
    for (name, seconds) in stopwatch.stop() {
        report.add(what, "Kez Chat", &format!("{name}, CPU µs"), seconds * 1e6 / count as f64);
    }
}
