//! The only callout stalls, and finds many logins that nobody waits for any more.

use std::time::Duration;

use futures_util::future::join_all;
use kez_proto::limits::NATS_CONNECTIONS_PER_KEY;
use kez_tests::{Deployment, Person, eventually};
use nix::sys::signal::Signal;
use tokio::time::sleep;

use super::{
    logins::enter,
    metrics::{accepted, late},
};

/// As many as would take all places of a key, and more.
const LOGINS: usize = 2 * NATS_CONNECTIONS_PER_KEY as usize;
/// Longer than nats-server waits, by more than the second in which a request says that it was made.
const STALL: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_that_nobody_waits_for_are_counted_and_take_no_place() {
    let deployment = Deployment::start(1).await;
    let (url, tcp) = (deployment.url(0), deployment.nats.url());
    let alice = Person::registered("alice", url).await;
    let callout = &deployment.auth_callouts[0];
    for _ in 0..3 {
        drop(enter(&alice, &tcp).await.unwrap());
    }
    let before = accepted(callout).await;
    callout.signal(Signal::SIGSTOP);
    let refused = join_all((0..LOGINS).map(|_| enter(&alice, &tcp))).await;
    assert!(refused.iter().all(Result::is_err), "nobody answered");
    sleep(STALL).await;
    callout.signal(Signal::SIGCONT);
    eventually("all are counted", async || (late(callout).await >= LOGINS as u64).then_some(())).await;
    assert_eq!(accepted(callout).await, before, "somebody was let in who is gone");
    // All of her places are free.
    let inside = join_all((0..NATS_CONNECTIONS_PER_KEY).map(|_| enter(&alice, &tcp))).await;
    assert!(inside.iter().all(Result::is_ok), "{inside:?}");
}
