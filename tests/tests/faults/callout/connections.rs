//! At most 16 connections of one key, whichever of two callouts lets them in.

use std::{sync::Arc, time::Duration};

use async_nats::{Client, connection::State};
use futures_util::future::join_all;
use kez_proto::limits::NATS_CONNECTIONS_PER_KEY;
use kez_tests::{Deployment, Person, eventually};
use tokio::time::sleep;

use super::{
    logins::{ask, enter},
    system::System,
};

const LIMIT: usize = NATS_CONNECTIONS_PER_KEY as usize;
/// Either callout answers a login: so many were answered by both.
const TRIES: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_seventeenth_connection_of_a_key_is_refused() {
    let deployment = Deployment::start(2).await;
    let (url, tcp, ws) = (deployment.url(0), deployment.nats.url(), deployment.nats.ws_url());
    let (alice, bob) = (Person::registered("alice", url).await, Person::registered("bob", url).await);
    let system = System::connect(&deployment.nats).await;
    let mut inside = vec![];
    for n in 0..LIMIT {
        inside.push(enter(&alice, [&tcp, &ws][n % 2]).await.unwrap());
    }
    for n in 0..TRIES {
        enter(&alice, [&tcp, &ws][n % 2]).await.expect_err("one too many");
        enter(&bob, [&tcp, &ws][n % 2]).await.unwrap();
    }
    for client in &inside {
        assert_eq!(client.connection_state(), State::Connected);
        ask(client, &alice.handle).await;
    }
    // The place of one that left is another one's, and no more than that.
    for _ in 0..2 {
        drop(inside.pop());
        eventually("one has left", async || (of(&system, &alice).await < LIMIT).then_some(())).await;
        inside.push(eventually("another is let in", async || enter(&alice, &tcp).await.ok()).await);
        enter(&alice, &ws).await.expect_err("one too many");
    }
}

/// Two callouts may both see room for one more at the same moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_than_sixteen_stay_of_those_that_come_at_once() {
    let deployment = Deployment::start(2).await;
    let (url, tcp) = (deployment.url(0), deployment.nats.url());
    let (alice, bob) =
        (Arc::new(Person::registered("alice", url).await), Person::registered("bob", url).await);
    let system = System::connect(&deployment.nats).await;
    let beside = enter(&bob, &tcp).await.unwrap();
    for round in 0..3 {
        // Once let in they come back when they are thrown out, as clients do.
        let clients = join_all((0..2 * LIMIT).map(|_| alice.nats_options().connect(&tcp))).await;
        let clients: Vec<Client> = clients.into_iter().flatten().collect();
        println!("round {round}: {} were let in at first", clients.len());
        assert!(clients.len() >= LIMIT, "{} were let in", clients.len());
        eventually("too many are thrown out", async || (of(&system, &alice).await == LIMIT).then_some(()))
            .await;
        for _ in 0..10 {
            assert!(of(&system, &alice).await <= LIMIT);
            sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(beside.connection_state(), State::Connected);
        assert_eq!(beside.statistics().connects.load(std::sync::atomic::Ordering::Relaxed), 1);
        drop(clients);
        eventually("all have left", async || (of(&system, &alice).await == 0).then_some(())).await;
    }
}

/// How many connections this person has.
async fn of(system: &System, person: &Person) -> usize {
    system.users().await.iter().filter(|c| c.handle == person.handle.as_str()).count()
}
