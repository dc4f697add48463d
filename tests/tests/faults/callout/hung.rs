//! One of two hangs. It can't leave the queue group, so nats-server goes on giving it logins, until the other one ends its connections.

use std::{sync::Arc, time::Duration};

use kez_tests::{Deployment, Person, eventually};
use nix::sys::signal::Signal;
use tokio::time::sleep;

use super::{logins::enter_all, metrics::accepted, storm::people};
use crate::away::readiness;

const PEOPLE: usize = 400;
const AT_ONCE: usize = 20;
/// What is promised: from then on less than one in a hundred is refused.
const NOTICED: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callout_that_hangs_costs_nearly_nobody_a_login() {
    let deployment = Deployment::start(2).await;
    let people = people("person", PEOPLE, deployment.url(0)).await;
    let [hung, other] = &deployment.auth_callouts[..] else { panic!("there are two") };
    both_take_part(&deployment, &people).await;

    hung.signal(Signal::SIGSTOP);
    sleep(NOTICED).await;
    let refused = enter_all(&people, &deployment.nats.url(), AT_ONCE).await;
    println!("{} of {PEOPLE} were refused: {refused:?}", refused.len());
    assert!(refused.len() * 100 < PEOPLE, "{refused:?}");

    hung.signal(Signal::SIGCONT);
    for process in [hung, other] {
        eventually("it is ready again", async || (readiness(process).await.0 == 200).then_some(())).await;
    }
    both_take_part(&deployment, &people).await;
    let refused = enter_all(&people, &deployment.nats.url(), AT_ONCE).await;
    assert!(refused.is_empty(), "{refused:?}");
}

/// People log in until both callouts have let one in.
async fn both_take_part(deployment: &Deployment, people: &[Arc<Person>]) {
    let count = async || {
        let mut counts = vec![];
        for callout in &deployment.auth_callouts {
            counts.push(accepted(callout).await);
        }
        counts
    };
    let before = count().await;
    let few = &people[..AT_ONCE];
    eventually("both let somebody in", async || {
        enter_all(few, &deployment.nats.url(), AT_ONCE).await;
        let now = count().await;
        now.iter().zip(&before).all(|(now, before)| now > before).then_some(())
    })
    .await;
}
