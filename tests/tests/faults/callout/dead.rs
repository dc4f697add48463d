//! kill -9 of one of two, while many log in.

use std::{sync::Arc, time::Duration};

use kez_tests::{Deployment, Person};
use nix::sys::signal::Signal;
use tokio::time::sleep;

use super::{logins::enter_all, storm::people};

const PEOPLE: usize = 200;
/// nats-server gives each of them 2 s: not so many that a busy machine takes longer.
const AT_ONCE: usize = 16;
/// Who logs in before one dies.
const BEFORE: usize = 50;
/// It is given logins and doesn't answer them any more, before it dies: what is in its hands then isn't a matter of luck.
const LAST: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_refused_because_one_of_two_dies_under_200_logins() {
    let mut deployment = Deployment::start(2).await;
    let people = people("person", PEOPLE, deployment.url(0)).await;
    let (before, others) = people.split_at(BEFORE);
    assert_eq!(enter_all(before, &deployment.nats.url(), AT_ONCE).await, []);
    the_first_dies(&mut deployment, others).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_has_just_started_takes_over_from_one_that_dies() {
    let mut deployment = Deployment::start(1).await;
    let people = people("person", PEOPLE, deployment.url(0)).await;
    let mut newcomer = deployment.auth_callout();
    newcomer.ready().await;
    deployment.auth_callouts.push(newcomer);
    the_first_dies(&mut deployment, &people).await;
}

/// Kills the first of two auth callouts while these log in: nobody is refused.
async fn the_first_dies(deployment: &mut Deployment, people: &[Arc<Person>]) {
    let mut victim = deployment.auth_callouts.remove(0);
    let dies = async {
        victim.signal(Signal::SIGSTOP);
        sleep(LAST).await;
        victim.kill();
    };
    let url = deployment.nats.url();
    let (refused, ()) = tokio::join!(enter_all(people, &url, AT_ONCE), dies);
    println!("{} of {} were refused at their first attempt", refused.len(), people.len());
    assert_eq!(refused, [], "refused wrongly; the other one's log:\n{}", deployment.auth_callouts[0].log());
}
