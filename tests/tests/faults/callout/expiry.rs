//! A login is for a limited time: nats-server ends the connection, and the client is back with what it can show by then.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use kez_tests::{Deployment, Person, eventually, person::send};
use serde_json::json;
use tokio::{sync::watch, task::JoinSet, time::sleep};

use super::{
    feed::{self, Seen},
    logins::enter_with,
    session::{self, Current, Session},
};

/// The end of a session is the end of its connections, and so the shortest login there is.
const SESSION: i64 = 3;
/// The connections that are to end.
const ENDS: u32 = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_comes_back_from_each_expiry_without_a_gap_or_a_duplicate() {
    let deployment = Deployment::start(1).await;
    comes_back(&deployment, &deployment.nats.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn also_to_another_server_than_the_callouts() {
    let deployment = Deployment::start_cluster(&[0]).await;
    comes_back(&deployment, &deployment.node(2).url()).await;
}

async fn comes_back(deployment: &Deployment, nats: &str) {
    let url = deployment.url(0).to_owned();
    let alice = Person::registered("alice", &url).await;
    let current: Current = Arc::new(Mutex::new(Session::begin(&url, &alice, SESSION).await));
    let (connections, seen) = (Arc::new(watch::Sender::new(0)), Seen::default());
    let mut work = JoinSet::new();
    work.spawn(feed::read(
        session::nats_options(&current),
        nats.to_owned(),
        alice.handle.clone(),
        connections.clone(),
        seen.clone(),
    ));
    work.spawn({
        let url = url.clone();
        async move {
            for n in 0.. {
                assert_eq!(send(&url, "alice", json!({"n": n})).await.status(), 201);
                sleep(Duration::from_millis(5)).await;
            }
        }
    });
    eventually("its connections ended and began", async || {
        // What its page does: the next session is there before this one is over.
        let left = current.lock().unwrap().grant.session_expires_at.unix() - kez_tests::person::now().unix();
        if left < SESSION - 1 {
            let next = Session::begin(&url, &alice, SESSION).await;
            *current.lock().unwrap() = next;
        }
        if let Some(ended) = work.try_join_next() {
            ended.unwrap();
        }
        (*connections.borrow() > ENDS).then_some(())
    })
    .await;
    // The reader stays, whatever comes.
    work.spawn(async {});
    let last = send(&url, "alice", json!({"n": "last"})).await.json::<serde_json::Value>().await.unwrap();
    let last = last["seq"].as_u64().unwrap();
    eventually("all has come", async || {
        seen.lock().unwrap().iter().any(|(seq, _)| *seq >= last).then_some(())
    })
    .await;
    work.abort_all();
    while work.join_next().await.is_some() {}
    let history = alice.mail(&url).await;
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    println!("{} messages over {} connections", seen.len(), *connections.borrow());
    assert_eq!(seen, history[..seen.len()], "a gap, a duplicate, or another order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_over_opens_nothing_more() {
    let deployment = Deployment::start(1).await;
    let alice = Person::registered("alice", deployment.url(0)).await;
    let current: Current = Arc::new(Mutex::new(Session::begin(deployment.url(0), &alice, SESSION).await));
    let client =
        enter_with(session::nats_options(&current), &alice.handle, &deployment.nats.url()).await.unwrap();
    let ended = || client.connection_state() != async_nats::connection::State::Connected;
    eventually("its connection is ended", async || ended().then_some(())).await;
    enter_with(session::nats_options(&current), &alice.handle, &deployment.nats.url())
        .await
        .expect_err("it is over");
    assert!(ended(), "it was let in again");
}
