//! A stop while the broker is away is as orderly as any: nothing waits for its return.

use std::time::{Duration, Instant};

use kez_tests::{Deployment, Process};
use nix::sys::signal::Signal;

/// The drain window is 2 s, and 10 s later a process ends itself.
const ORDERLY: Duration = Duration::from_secs(9);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_stop_in_order_without_the_broker() {
    let mut deployment = Deployment::start(1).await;
    deployment.nats.kill();
    all_stop(&mut deployment).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_stop_in_order_while_the_broker_hangs() {
    let mut deployment = Deployment::start(1).await;
    deployment.nats.signal(Signal::SIGSTOP);
    all_stop(&mut deployment).await;
    deployment.nats.signal(Signal::SIGCONT);
}

async fn all_stop(deployment: &mut Deployment) {
    let mut processes: Vec<&mut Process> = deployment
        .gateways
        .iter_mut()
        .chain(&mut deployment.fanouts)
        .chain(&mut deployment.registries)
        .collect();
    for process in &processes {
        process.signal(Signal::SIGTERM);
    }
    let begun = Instant::now();
    for process in &mut processes {
        let status = process.ended().await;
        assert_eq!(status.code(), Some(0), "{status}");
    }
    println!("all stopped after {:?}", begun.elapsed());
    assert!(begun.elapsed() < ORDERLY, "{:?}", begun.elapsed());
}
