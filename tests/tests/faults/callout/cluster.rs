//! Three nats-servers. Users are on all of them; who lets them in is on one or two.

use std::{
    collections::HashMap,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use async_nats::{Client, Subscriber, connection::State};
use futures_util::StreamExt;
use kez_proto::{limits::NATS_CONNECTIONS_PER_KEY, subjects};
use kez_tests::{Deployment, Person, eventually, within};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    logins::{ask, enter, enter_all},
    storm::{Readers, people, send_all},
    system::System,
};

const LIMIT: usize = NATS_CONNECTIONS_PER_KEY as usize;

/// A subscription is known to the other servers after so long, or the next message shows that it isn't.
const SETTLED: Duration = Duration::from_millis(200);

async fn system(deployment: &Deployment, servers: usize) -> System {
    System { servers, ..System::connect(&deployment.nats).await }
}

/// Somebody on two connections to one server.
struct User {
    person: Person,
    asks: Client,
    pushes: Subscriber,
}

impl User {
    async fn at(deployment: &Deployment, node: usize, handle: &str) -> Self {
        let person = Person::registered(handle, deployment.url(0)).await;
        let node = deployment.node(node);
        let asks = enter(&person, &node.url()).await.unwrap();
        let reads = enter(&person, &node.ws_url()).await.unwrap();
        let mut pushes = reads.subscribe(subjects::inbox(&person.handle)).await.unwrap();
        reads.flush().await.unwrap();
        let mut n = 0;
        eventually("every server knows the subscription", async || {
            n += 1;
            send(&asks, &person, &person, json!({"greeting": n})).await;
            timeout(SETTLED, pushes.next()).await.ok()?.map(drop)
        })
        .await;
        // Others of the greetings may be under way.
        while timeout(SETTLED, pushes.next()).await.is_ok() {}
        Self { person, asks, pushes }
    }
}

async fn send(client: &Client, from: &Person, to: &Person, envelope: Value) -> u64 {
    let request = json!({"to": to.handle, "envelope": envelope});
    let sent = answer(client, subjects::client_send(&from.handle), request).await;
    sent["seq"].as_u64().unwrap_or_else(|| panic!("{sent}"))
}

/// How many connections this person has to each server.
async fn of(system: &System, person: &Person) -> HashMap<String, usize> {
    let mut count = HashMap::new();
    for user in system.users().await.into_iter().filter(|c| c.handle == person.handle.as_str()) {
        *count.entry(user.server).or_default() += 1;
    }
    count
}

async fn answer(client: &Client, subject: String, request: Value) -> Value {
    let asked = client.request(subject, request.to_string().into());
    let answer = within("a request is answered", asked).await.unwrap();
    serde_json::from_slice(&answer.payload).unwrap_or_else(|e| panic!("{e}: {answer:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_every_server_are_let_in_by_a_callout_on_one_and_reach_each_other() {
    let deployment = Deployment::start_cluster(&[0]).await;
    let mut users = vec![];
    for (n, handle) in ["alice", "bobby", "carol"].into_iter().enumerate() {
        users.push(User::at(&deployment, n, handle).await);
    }
    let stranger = Person::new("stranger");
    for n in 0..3 {
        enter(&stranger, &deployment.node(n).url()).await.expect_err("nobody registered this key");
    }
    let mut sent = vec![vec![]; 3];
    for from in &users {
        for (to, mail) in users.iter().zip(&mut sent) {
            let envelope = json!({"from": from.person.handle, "to": to.person.handle});
            let seq = send(&from.asks, &from.person, &to.person, envelope.clone()).await;
            mail.push((seq, envelope));
        }
    }
    for (user, sent) in users.iter_mut().zip(sent) {
        let since = json!({"since": sent[0].0 - 1, "head": true});
        let page = answer(&user.asks, subjects::client_history(&user.person.handle), since).await;
        let history = page["messages"].as_array().unwrap().iter();
        let history = history.map(|m| (m["seq"].as_u64().unwrap(), m["envelope"].clone()));
        assert_eq!(history.collect::<Vec<_>>(), sent);
        for (_, expected) in &sent {
            let push = within("mail is pushed", user.pushes.next()).await.unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&push.payload).unwrap(), *expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_seventeenth_connection_of_a_key_is_refused_whichever_servers_the_others_are_on() {
    let deployment = Deployment::start_cluster(&[0, 1]).await;
    let alice = Person::registered("alice", deployment.url(0)).await;
    let system = system(&deployment, 3).await;
    let mut inside = vec![];
    for n in 0..LIMIT {
        let node = deployment.node(n % 3);
        inside.push(enter(&alice, &[node.url(), node.ws_url()][n % 2]).await.unwrap());
    }
    for n in 0..3 {
        for _ in 0..3 {
            enter(&alice, &deployment.node(n).url()).await.expect_err("one too many");
        }
    }
    for client in &inside {
        assert_eq!(client.connection_state(), State::Connected);
        ask(client, &alice.handle).await;
    }
    // The place of one that left its server is free on another one.
    drop(inside.remove(2));
    let count = async || of(&system, &alice).await.values().sum::<usize>();
    eventually("one has left", async || (count().await < LIMIT).then_some(())).await;
    inside.push(
        eventually("another is let in", async || enter(&alice, &deployment.nats.url()).await.ok()).await,
    );
    enter(&alice, &deployment.node(2).url()).await.expect_err("one too many");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_too_many_is_ended_on_another_server_than_the_callouts() {
    let mut deployment = Deployment::start_cluster(&[]).await;
    // One that lets more in, and then one that doesn't, as when an operator changes the limit.
    deployment.auth_callout_arguments = vec!["--nats-connections".into(), (LIMIT + 3).to_string()];
    deployment.auth_callouts.push(deployment.auth_callout_at(0));
    deployment.auth_callouts[0].ready().await;
    let alice = Person::registered("alice", deployment.url(0)).await;
    let (mut stay, mut go) = (vec![], vec![]);
    for n in 0..LIMIT {
        stay.push(enter(&alice, &deployment.node(n % 2).url()).await.unwrap());
    }
    for _ in 0..3 {
        go.push(enter(&alice, &deployment.node(2).url()).await.unwrap());
    }
    let system = system(&deployment, 3).await;
    let (third, before) = (go[0].server_info().server_id, of(&system, &alice).await);
    assert_eq!(before.values().sum::<usize>(), LIMIT + 3);
    assert_eq!(before[&third], 3);

    deployment.auth_callout_arguments.clear();
    assert_eq!(deployment.auth_callouts[0].terminate().await.code(), Some(0));
    deployment.auth_callouts[0] = deployment.auth_callout_at(0);
    deployment.auth_callouts[0].ready().await;
    eventually("the youngest are ended", async || {
        (!of(&system, &alice).await.contains_key(&third)).then_some(())
    })
    .await;
    assert_eq!(of(&system, &alice).await.values().sum::<usize>(), LIMIT);
    for client in &stay {
        assert_eq!(client.connection_state(), State::Connected);
        assert_eq!(client.statistics().connects.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callout_that_hangs_is_ended_by_one_on_another_server() {
    let deployment = Deployment::start_cluster(&[0, 1]).await;
    let people = people("person", 40, deployment.url(0)).await;
    let addresses = [0, 1, 2].map(|n| deployment.node(n).url());
    for address in &addresses {
        assert_eq!(enter_all(&people, address, 10).await, []);
    }
    deployment.auth_callouts[0].signal(Signal::SIGSTOP);
    let other = &deployment.auth_callouts[1];
    eventually("it is noticed, and ended", async || other.log().contains("silent_callout").then_some(()))
        .await;
    // The first server would give logins to nobody but its own.
    for address in &addresses {
        assert_eq!(enter_all(&people, address, 10).await, []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_a_server_that_dies_go_on_at_the_others_without_a_gap_or_a_duplicate() {
    const PEOPLE: usize = 48;
    let mut deployment = Deployment::start_cluster(&[0, 1]).await;
    let (url, nats) = (deployment.url(0).to_owned(), deployment.nats_urls());
    let people = people("person", PEOPLE, &url).await;
    let readers = within("all are connected", Readers::start(&people, &nats)).await;
    let mut sent = vec![send_all(&people, 0, &url).await];
    within("all have their mail", readers.check(&people, &sent)).await;

    // All places of a key are on the server that dies: they are free as soon as it is known to be gone.
    let alice = Person::registered("alice", &url).await;
    let mut places = vec![];
    for _ in 0..LIMIT {
        places.push(enter(&alice, &deployment.node(2).url()).await.unwrap());
    }
    enter(&alice, &deployment.nats.url()).await.expect_err("one too many");
    let all = system(&deployment, 3).await;
    let third = enter(&people[0], &deployment.node(2).url()).await.unwrap().server_info().server_id;
    let there = all.users().await.iter().filter(|user| user.server == third).count();
    assert!(there > LIMIT, "nobody's reader is there");
    for (round, victim) in [2, 0].into_iter().enumerate() {
        let kill = |deployment: &mut Deployment| match victim {
            0 => deployment.nats.kill(),
            n => deployment.peers[n - 1].kill(),
        };
        let then = Instant::now();
        kill(&mut deployment);
        sent.push(within("all is sent", send_all(&people, round as u64 + 1, &url)).await);
        within("all are connected", readers.connected()).await;
        within("all have their mail", readers.check(&people, &sent)).await;
        println!("server {victim} was killed: all had their mail after {:?}", then.elapsed());
        if victim == 2 {
            places.clear();
            let url = deployment.nats.url();
            for _ in 0..LIMIT {
                places.push(eventually("another is let in", async || enter(&alice, &url).await.ok()).await);
            }
            deployment.peers[1].restart().await;
        }
    }
}
