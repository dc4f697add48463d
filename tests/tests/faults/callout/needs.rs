//! What an auth callout needs itself goes away for a moment: its connections, the registry.

use std::time::{Duration, Instant};

use kez_tests::{Deployment, Person, eventually};
use nix::sys::signal::Signal;
use tokio::{task::JoinSet, time::sleep};

use super::{
    logins::{enter, enter_all},
    metrics::denied,
    storm::people,
};
use crate::away::readiness;

/// Its connections: to the users' logins, to the server itself, to the other services.
const CONNECTIONS: [&str; 3] = ["callout-auth", "callout-system", "auth-callout"];
/// Longer than nats-server gives a login; a busy machine may take longer to tell.
const IN_TIME: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callout_whose_connections_were_all_cut_says_so_and_recovers() {
    let mut deployment = Deployment::start(1).await;
    let alice = Person::registered("alice", deployment.url(0)).await;
    enter(&alice, &deployment.nats.url()).await.unwrap();
    for _ in 0..3 {
        deployment.nats.kill();
        let callout = &deployment.auth_callouts[0];
        eventually("it says that its connections are gone", async || {
            let (status, gates) = readiness(callout).await;
            (status == 503 && CONNECTIONS.iter().all(|name| gates[name] == "NATS is away")).then_some(())
        })
        .await;
        deployment.nats.restart().await;
        let callout = &deployment.auth_callouts[0];
        eventually("it is ready again", async || (readiness(callout).await.0 == 200).then_some(())).await;
        // Ready is a promise.
        for address in [deployment.nats.url(), deployment.nats.ws_url()] {
            enter(&alice, &address).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_registry_nobody_is_let_in_wrongly() {
    let mut deployment = Deployment::start(1).await;
    let (url, tcp) = (deployment.url(0).to_owned(), deployment.nats.url());
    let people = people("person", 20, &url).await;
    let stranger = Person::new("stranger");
    enter(&stranger, &tcp).await.expect_err("nobody registered this key");

    deployment.registries[0].kill();
    let begun = Instant::now();
    let refused = enter_all(&people, &tcp, people.len()).await;
    println!("without a registry all were refused within {:?}", begun.elapsed());
    assert_eq!(refused.len(), people.len(), "somebody was let in whom nobody knows");
    assert!(begun.elapsed() < IN_TIME, "{:?}", begun.elapsed());
    assert!(denied(&deployment.auth_callouts[0], "unavailable").await >= 1);
    enter(&stranger, &tcp).await.expect_err("nobody registered this key");

    deployment.registries[0] = deployment.registry(0);
    deployment.registries[0].ready().await;
    let refused = enter_all(&people, &tcp, people.len()).await;
    assert!(refused.is_empty(), "{refused:?}");
    enter(&stranger, &tcp).await.expect_err("nobody registered this key");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_hangs_for_a_moment_is_waited_for() {
    let deployment = Deployment::start(1).await;
    let (url, tcp) = (deployment.url(0).to_owned(), deployment.nats.url());
    let people = people("person", 20, &url).await;
    deployment.registries[0].signal(Signal::SIGSTOP);
    let mut logins = JoinSet::new();
    let (all, address) = (people.clone(), tcp.clone());
    logins.spawn(async move { enter_all(&all, &address, all.len()).await });
    for n in 0..5 {
        let address = tcp.clone();
        logins.spawn(async move {
            let stranger = Person::new(&format!("stranger-{n}"));
            enter(&stranger, &address).await.expect_err("nobody registered this key");
            vec![]
        });
    }
    // Within what nats-server and the callout wait for.
    sleep(Duration::from_millis(300)).await;
    deployment.registries[0].signal(Signal::SIGCONT);
    let refused = logins.join_all().await.concat();
    println!("{} of {} were refused", refused.len(), people.len());
    // All, on a fast machine; those who are slow to log in may be too late for the callout's patience.
    assert!(refused.len() < people.len(), "nobody was waited for: {refused:?}");
    let refused = enter_all(&people, &tcp, people.len()).await;
    assert!(refused.is_empty(), "{refused:?}");
}
