//! The cluster under load while its parts break, one at a time and in pairs, and what must hold all the same. A seed repeats a run:
//! `make chaos FAULTS=200 SEED=7`. Every process is on a host of its own (network namespaces), so that wires can be pulled.

mod cluster;
mod fault;
mod people;

use std::{
    os::unix::process::CommandExt,
    process::Command,
    time::{Duration, Instant},
};

use fastrand::Rng;
use kez_tests::{
    Person, eventually, http,
    load::{Listeners, Load, Wires},
    net,
};
use tokio::time::sleep;

use crate::{
    cluster::Cluster,
    fault::Fault,
    people::{Chains, Newcomers},
};

/// Tells the process that it has a network of its own.
const INSIDE: &str = "KEZ_CHAOS_INSIDE";
const SENDERS: u64 = 4;
/// Messages of each sender that must be acknowledged around each fault.
const EACH: u64 = 15;
/// After the last fault all of it is ready within this time.
const READY: Duration = Duration::from_secs(30);

fn main() {
    // As a test among others: `cargo test` may ask for one of another name.
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    if wanted.is_some_and(|wanted| !"chaos".contains(&wanted)) {
        return;
    }
    if std::env::var_os(INSIDE).is_none() {
        return inside();
    }
    let number = |name, default| std::env::var(name).map_or(default, |value| value.parse().unwrap());
    let (faults, seed) = (number("KEZ_CHAOS_FAULTS", 10), number("KEZ_CHAOS_SEED", 1));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap().block_on(run(faults, seed));
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
    let own = std::env::current_exe().unwrap();
    let script = "mkdir -p /run/netns && mount -t tmpfs none /run/netns && exec \"$0\"";
    let error = Command::new("unshare")
        .args(["--net", "--mount", "sh", "-c", script])
        .arg(own)
        .env(INSIDE, "1")
        .exec();
    panic!("{error}");
}

async fn run(faults: u64, seed: u64) {
    println!("{faults} faults, seed {seed}");
    net::switch();
    let mut cluster = Cluster::start().await;
    let urls = cluster.urls();
    let mut people = vec![];
    for name in ["alice", "bob", "carol"] {
        people.push(Person::registered(name, &urls[0]).await);
    }
    let newcomers = Newcomers::start(&urls);
    let chains = Chains::start(&urls);
    let mut load = Load::start_on(Wires::Pulled, &urls, people, SENDERS);
    let listeners = Listeners::start(load.people(), &cluster.nats_urls());
    let mut rng = Rng::with_seed(seed);
    let begun = Instant::now();
    let mut n = 0;
    while n < faults {
        let (first, second) = (Fault::any(&mut rng), Fault::any(&mut rng));
        // A cluster of three bears one nats-server less, and each pair of services one.
        let pair = n + 1 < faults && rng.u8(0..3) == 0 && first.bears(&second);
        load.allow(EACH);
        let acknowledged = load.acknowledged();
        first.inject(&mut cluster);
        if pair {
            sleep(Duration::from_secs_f64(rng.f64())).await;
            second.inject(&mut cluster);
        }
        sleep(first.lasts).await;
        first.mend(&mut cluster).await;
        if pair {
            sleep(second.lasts.saturating_sub(first.lasts)).await;
            second.mend(&mut cluster).await;
        }
        let meanwhile = load.acknowledged() - acknowledged;
        let mended = Instant::now();
        ready(&mut cluster).await;
        let again = mended.elapsed();
        load.settled().await;
        let refusals = load.refusals();
        n += 1 + u64::from(pair);
        let also = if pair { format!(" and {second}") } else { String::new() };
        println!(
            "{n:3}: {first}{also}: {meanwhile} acknowledged meanwhile, {} attempts were not; ready {:.1} s after it was mended",
            refusals.len(),
            again.as_secs_f64()
        );
        assert!(again < READY, "ready only after {again:?}");
    }
    println!("{n} faults in {:.0} s", begun.elapsed().as_secs_f64());
    let registered = newcomers.finish(&urls).await;
    let events = chains.finish(&urls).await;
    let acknowledged = load.acknowledged();
    let histories = load.finish().await;
    listeners.finish(&histories).await;
    println!(
        "acknowledged and there, once, in order, at every reader: {acknowledged} messages; bound: {registered} registrations; unbroken: {events} events of identity logs; lost: 0"
    );
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
