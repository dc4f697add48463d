//! The cluster under load while its parts break, one at a time and in pairs, and what must hold all the same. A seed repeats a run:
//! `make chaos FAULTS=200 SEED=7`. Every process is on a host of its own (network namespaces), so that wires can be pulled.

mod cluster;
mod fault;
mod people;
mod report;
mod slow;

use std::{
    os::unix::process::CommandExt,
    process::Command,
    time::{Duration, Instant},
};

use fastrand::Rng;
use kez_tests::{
    Person, clock, eventually, http,
    load::{Listeners, Load},
    net,
};
use tokio::time::{sleep, timeout};

use crate::{
    cluster::Cluster,
    fault::{Fault, What},
    people::{Chains, Newcomers},
    report::{Report, Totals},
};

/// Tells the process that it has a network of its own.
const INSIDE: &str = "KEZ_CHAOS_INSIDE";
const SENDERS: u64 = 4;
/// Each sender sends a message so often, as long as a fault and its mending last.
const PACE: Duration = Duration::from_millis(200);
/// Among so many faults of this seed is every one of [`What`].
const SEED: u64 = 53141;
const FAULTS: u64 = 10;
/// After the last fault all of it is ready within this time.
const READY: Duration = Duration::from_secs(30);

fn main() {
    // As a test among others: `cargo test` may ask for one of another name.
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    if wanted.is_some_and(|wanted| !"chaos".contains(&wanted)) {
        return;
    }
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if std::env::var_os(slow::DELAYS).is_some() {
        runtime().block_on(slow::run());
    }
    if std::env::var_os(INSIDE).is_none() {
        return inside();
    }
    let number = |name, default| std::env::var(name).map_or(default, |value| value.parse().unwrap());
    let (faults, seed) = (number("KEZ_CHAOS_FAULTS", FAULTS), number("KEZ_CHAOS_SEED", SEED));
    let only = std::env::var("KEZ_CHAOS_ONLY").unwrap_or_default();
    runtime().block_on(run(faults, seed, &only));
    println!("test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
}

/// Goes on as a process whose network and mounts are its own, and go with it.
fn inside() {
    let allowed = Command::new("unshare").args(["--net", "--mount", "true"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "this test must be able to make network namespaces");
        eprintln!("SKIPPED: this test makes network namespaces (unshare, ip), as root");
        return;
    }
    if clock::ahead().is_none() {
        return;
    }
    let own = std::env::current_exe().unwrap();
    let script = "mkdir -p /run/netns && mount -t tmpfs none /run/netns && exec \"$0\"";
    let error = Command::new("unshare")
        .args(["--net", "--mount", "sh", "-c", script])
        .arg(own)
        .env(INSIDE, "1")
        .exec();
    panic!("{error}");
}

/// So many faults, of those kinds alone whose names have `only` in them.
async fn run(faults: u64, seed: u64, only: &str) {
    println!("{faults} faults, seed {seed}");
    net::switch();
    let mut cluster = Cluster::start().await;
    let urls = cluster.urls();
    let mut people = vec![];
    for name in ["alice", "bob", "carol", "dave"] {
        people.push(Person::registered(name, &urls[0]).await);
    }
    let tidy = people.split_off(3);
    let mut newcomers = Newcomers::start(&urls);
    let chains = Chains::start(&urls);
    let mut load = Load::start_rough(&urls, people, tidy, SENDERS);
    let listeners = Listeners::start(load.people(), &cluster.nats_urls());
    let (mut rng, mut report) = (Rng::with_seed(seed), Report::default());
    let (begun, mut left) = (Instant::now(), What::ALL.to_vec());
    let mut n = 0;
    while n < faults {
        let (first, second) = (Fault::any(&mut rng, only), Fault::any(&mut rng, only));
        // A cluster of three bears one nats-server less, and each pair of services one.
        let pair = n + 1 < faults && rng.u8(0..3) == 0 && first.bears(&second);
        let both = if pair { vec![&first, &second] } else { vec![&first] };
        let (before, stale) = (load.acknowledged(), load.account().stale());
        load.account().silence();
        let again = under(&load, around(&both, &mut cluster)).await;
        load.settled().await;
        newcomers.check();
        let (meanwhile, refusals) = (load.acknowledged() - before, load.refusals().len());
        n += both.len() as u64;
        let what = both.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
        println!(
            "{n:3}: {what}: {meanwhile} acknowledged, {refusals} attempts were not; ready {:.1} s after it was mended",
            again.as_secs_f64()
        );
        assert!(again < READY, "ready only after {again:?}");
        let wrong_clock = both.iter().any(|fault| fault.what == What::Clock);
        assert!(wrong_clock || load.account().stale() == stale, "a signature of now was refused");
        left.retain(|what| both.iter().all(|fault| fault.what != *what));
        report.add(&both, again, load.account().silence());
    }
    if (faults, seed, only) == (FAULTS, SEED, "") {
        assert!(
            left.is_empty(),
            "another seed is needed: {left:?} isn't among the first {FAULTS} faults of this one"
        );
    }
    let took = begun.elapsed();
    let (registered, events) = (newcomers.finish(&urls).await, chains.finish(&urls).await);
    let (acknowledged, stale) = (load.acknowledged(), load.account().stale());
    let outcome = load.finish().await;
    let listened = listeners.finish(&outcome.histories).await;
    report.finish(&Totals {
        faults: n,
        seed,
        took,
        acknowledged,
        delivered: outcome.delivered + listened,
        deleted: outcome.deleted,
        repeated: outcome.repeated,
        duplicates: outcome.duplicates,
        stale,
        registered,
        events,
    });
}

/// Breaks, mends, and waits until all is ready; how long that took.
async fn around(faults: &[&Fault], cluster: &mut Cluster) -> Duration {
    let mut rest = Duration::ZERO;
    for fault in faults {
        fault.inject(cluster);
    }
    let mut ends: Vec<_> = faults.to_vec();
    ends.sort_by_key(|fault| fault.lasts);
    for fault in ends {
        sleep(fault.lasts - rest).await;
        rest = fault.lasts;
        fault.mend(cluster).await;
    }
    let mended = Instant::now();
    ready(cluster).await;
    mended.elapsed()
}

/// Has messages sent for as long as this takes.
async fn under<T>(load: &Load, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        load.allow(1);
        if let Ok(done) = timeout(PACE, &mut work).await {
            return done;
        }
    }
}

/// Waits until every service says that it is ready.
async fn ready(cluster: &mut Cluster) {
    for service in &mut cluster.services {
        let what = format!("{} is ready", service.kind.program());
        let url = format!("http://{}:9090/readyz", service.host.address);
        let client = http::client();
        eventually(&what, async || {
            let asked = client.get(&url).timeout(Duration::from_secs(2)).send().await;
            asked.ok().filter(|answer| answer.status() == 200)
        })
        .await;
    }
}
