//! Connections that are there: how many, how long, and whose.

use async_nats::{Event, jetstream};
use futures_util::{StreamExt, stream};
use kez_auth_callout::protocol::LEEWAY_SECS;
use kez_proto::subjects::{self, Role};
use serde_json::json;
use time::OffsetDateTime;

use crate::support::{Callout, Person, User, World, eventually};

async fn count(world: &World, handle: &str) -> usize {
    world.connections().await.iter().filter(|c| c["authorized_user"] == handle).count()
}

#[tokio::test]
async fn a_key_has_so_many_connections_and_another_ones_dont_count() {
    let world = World::start().await;
    let callout = Callout::start(&world, "a", &["--nats-connections", "3"]).await;
    let (alice, bob) = (Person::new(1), Person::new(2));
    world.people.bind("alice", &alice);
    world.people.bind("bob", &bob);
    let mut users = Vec::new();
    for _ in 0..3 {
        users.push(alice.connect(&world).await.unwrap());
    }
    alice.connect(&world).await.map(drop).unwrap_err();
    assert_eq!(callout.reasons(), ["too_many_connections"]);
    bob.connect(&world).await.unwrap();
    assert_eq!(count(&world, "alice").await, 3);

    users.pop().unwrap().client.drain().await.unwrap();
    let again = eventually("a free place", async || alice.connect(&world).await.ok()).await;

    // One that has just started finds those that are there.
    drop(callout);
    let callout = Callout::start(&world, "b", &["--nats-connections", "3"]).await;
    eventually("the list of connections", async || {
        callout.metrics().await.contains("kez_nats_connections 3").then_some(())
    })
    .await;
    alice.connect(&world).await.map(drop).unwrap_err();
    assert_eq!(callout.reasons(), ["too_many_connections"]);
    drop((users, again));
}

#[tokio::test]
async fn what_slips_through_several_instances_is_ended() {
    let world = World::start().await;
    let alice = Person::new(1);
    world.people.bind("alice", &alice);
    // The first one has no limit, as if it hadn't heard of the others' connections.
    let generous = Callout::start(&world, "a", &["--nats-connections", "0"]).await;
    let mut users: Vec<User> = Vec::new();
    for _ in 0..3 {
        users.push(alice.connect(&world).await.unwrap());
    }
    let strict = Callout::start(&world, "b", &["--nats-connections", "2"]).await;
    strict.until_audit("too_many_connections").await;
    users[2].until(|event| matches!(event, Event::Disconnected)).await;
    for user in &mut users[..2] {
        user.client.flush().await.unwrap();
        assert!(user.events.try_recv().is_ok_and(|event| event == Event::Connected), "the older ones stay");
        assert!(user.events.try_recv().is_err(), "the older ones stay");
    }
    drop(generous);
}

#[tokio::test]
async fn whoever_lost_a_handle_is_disconnected_and_a_refused_attempt_disconnects_nobody() {
    let world = World::start().await;
    let (alice, other) = (Person::new(1), Person::new(2));
    world.people.bind("alice", &alice);
    world.people.bind("carol", &Person::new(3));
    let callout = Callout::start(&world, "a", &[]).await;
    let mut user = alice.connect(&world).await.unwrap();
    let mut carol = Person::new(3).connect(&world).await.unwrap();

    // The registry's log, in whose name alone a change can be told.
    let log = jetstream::new(world.role(Role::Registry).await.client);
    let stream = jetstream::stream::Config {
        name: subjects::REGISTRY_STREAM.into(),
        subjects: vec![subjects::REGISTRY_LOG.into()],
        republish: Some(jetstream::stream::Republish {
            source: subjects::REGISTRY_LOG.into(),
            destination: subjects::REGISTRY_CHANGED.into(),
            headers_only: false,
        }),
        ..Default::default()
    };
    log.create_stream(stream).await.unwrap();
    let change = async |handle: &str| {
        let entry = json!({"registration": {"rules": 1, "envelope": {"payload": {"handle": handle}}}});
        log.publish(subjects::REGISTRY_LOG, entry.to_string().into()).await.unwrap().await.unwrap();
    };
    change("carol").await;
    world.people.bind("alice", &other);
    change("alice").await;
    callout.until_audit("not_owner").await;
    user.until(|event| matches!(event, Event::Disconnected)).await;
    assert_eq!(callout.reasons().iter().filter(|r| *r == "not_owner").count(), 1);
    assert!(alice.connect(&world).await.is_err());
    other.connect(&world).await.unwrap();
    carol.client.flush().await.unwrap();
    assert_eq!(carol.events.try_recv(), Ok(Event::Connected));
    assert!(carol.events.try_recv().is_err(), "whose handle somebody else tried to get");
}

#[tokio::test]
async fn a_connection_that_this_process_didnt_let_in_is_judged_by_its_time() {
    let world = World::start().await;
    let alice = Person::new(1);
    world.people.bind("alice", &alice);
    let first = Callout::start(&world, "a", &[]).await;
    let mut user = alice.connect(&world).await.unwrap();
    drop(first);
    // Times of bindings are whole seconds, and clocks may be apart.
    let then = OffsetDateTime::now_utc().unix_timestamp() + LEEWAY_SECS;
    eventually("a later second", async || (OffsetDateTime::now_utc().unix_timestamp() > then).then_some(()))
        .await;
    world.people.bind("alice", &Person::new(2));
    let second = Callout::start(&world, "b", &[]).await;
    user.until(|event| matches!(event, Event::Disconnected)).await;
    second.until_audit("not_owner").await;
}

/// nats-server lists 1,024 connections at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_has_just_started_finds_more_connections_than_fit_into_one_list() {
    const MANY: usize = 1100;
    let world = World::start().await;
    let alice = Person::new(1);
    world.people.bind("alice", &alice);
    let first = Callout::start(&world, "a", &["--nats-connections", "0"]).await;
    let one = || eventually("a login", async || alice.connect(&world).await.ok());
    let users: Vec<User> = stream::iter((0..MANY).map(|_| one())).buffer_unordered(16).collect().await;
    drop(first);
    let second = Callout::start(&world, "b", &["--nats-connections", "0"]).await;
    eventually("all are on the list", async || {
        second.metrics().await.contains(&format!("kez_nats_connections {MANY}\n")).then_some(())
    })
    .await;
    drop(users);
}
