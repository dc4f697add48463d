//! The registry on a real nats-server, with no more permissions than its role has.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, time::Instant};

use futures_util::{StreamExt, future::join_all};
use kez_kit::Kind;
use kez_proto::{
    Code, Deployment,
    limits::CALLER_DEADLINE,
    registry::{Entry, Record},
    subjects::{REGISTRY_BY_PRIMARY, REGISTRY_CHANGED, REGISTRY_LOOKUP, REGISTRY_REGISTER, REGISTRY_STREAM},
};
use serde_json::json;

mod support;

use support::{LIMIT, Nats, Person, Registry, ask, config, eventually, registration};

async fn lookup(client: &async_nats::Client, handle: &str) -> Result<Record, Code> {
    ask(client, REGISTRY_LOOKUP, json!({"handle": handle}).to_string()).await.map_err(|problem| problem.code)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_is_bound_once_and_its_envelope_is_answered_alike() {
    let nats = Nats::start();
    let registry = Registry::start(config(nats.index("a")), &nats.url).await;
    let client = nats.asker().await;
    let mut changes = client.subscribe(REGISTRY_CHANGED).await.unwrap();
    client.flush().await.unwrap();

    let alice = Person::new(1, "alice");
    let envelope = registration(&alice);
    let record = ask(&client, REGISTRY_REGISTER, envelope.clone()).await.unwrap();
    assert_eq!((record.fqhn.as_str(), record.primary), ("alice@kez.lat", alice.primary()));
    assert_eq!(
        record.sigchain_url,
        format!("http://localhost:7878/v1/sigchains/ed25519/{}", alice.primary().hex())
    );
    let change = tokio::time::timeout(LIMIT, changes.next()).await.unwrap().unwrap();
    assert_eq!(
        serde_json::from_slice::<Entry>(&change.payload).unwrap().handle(),
        Some(alice.handle.clone())
    );

    assert_eq!(ask(&client, REGISTRY_REGISTER, envelope).await, Ok(record.clone()));
    assert_eq!(lookup(&client, "alice").await, Ok(record.clone()));
    let primary = json!({"primary": alice.primary()}).to_string();
    assert_eq!(ask(&client, REGISTRY_BY_PRIMARY, primary).await, Ok(record));

    for (request, code) in [
        (registration(&Person::new(2, "alice")), Code::HandleTaken),
        (registration(&Person::new(1, "alice-2")), Code::PrimaryTaken),
        (registration(&Person::new(2, "admin")), Code::ReservedHandle),
        (
            Person::new(2, "bobby").registration_at("2026-05-25T03:00:00Z".parse().unwrap()),
            Code::StaleTimestamp,
        ),
        (b"{}".to_vec(), Code::MalformedJson),
        (vec![b'['; 5000], Code::TooLarge),
    ] {
        assert_eq!(ask(&client, REGISTRY_REGISTER, request).await.unwrap_err().code, code);
    }
    assert_eq!(lookup(&client, "bobby").await, Err(Code::UnknownHandle));
    assert_eq!(lookup(&client, "No").await, Err(Code::InvalidHandle));
    let stranger = json!({"primary": Person::new(9, "xyz").primary()}).to_string();
    assert_eq!(ask(&client, REGISTRY_BY_PRIMARY, stranger).await.unwrap_err().code, Code::UnknownPrimary);
    assert_eq!(
        ask(&client, REGISTRY_BY_PRIMARY, r#"{"primary":"x"}"#).await.unwrap_err().code,
        Code::InvalidPrimary
    );
    registry.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_those_who_race_over_two_instances_exactly_one_wins() {
    let nats = Nats::start();
    // Both start at once: they race for creating the deployment, too.
    let (a, b) = tokio::join!(
        Registry::start(config(nats.index("a")), &nats.url),
        Registry::start(config(nats.index("b")), &nats.url)
    );
    let client = nats.asker().await;
    let people: Vec<_> = (1..=50).map(|seed| Person::new(seed, "alice")).collect();
    let outcomes =
        join_all(people.iter().map(|person| ask(&client, REGISTRY_REGISTER, registration(person)))).await;
    let winners: Vec<_> = outcomes.iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    assert!(
        outcomes.iter().filter_map(|o| o.as_ref().err()).all(|problem| problem.code == Code::HandleTaken)
    );

    let twice = registration(&Person::new(60, "bobby"));
    let outcomes = join_all((0..20).map(|_| ask(&client, REGISTRY_REGISTER, twice.clone()))).await;
    assert!(outcomes.iter().all(|outcome| outcome == &outcomes[0] && outcome.is_ok()), "{outcomes:?}");

    a.stop().await;
    assert_eq!(lookup(&client, "alice").await.as_ref(), Ok(winners[0]));
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_lost_or_broken_is_rebuilt() {
    let nats = Nats::start();
    let index = nats.index("a");
    let registry = Registry::start(config(index.clone()), &nats.url).await;
    let client = nats.asker().await;
    let people: Vec<_> = (1..=100).map(|seed| Person::new(seed, &format!("user-{seed}"))).collect();
    let records =
        join_all(people.iter().map(|person| ask(&client, REGISTRY_REGISTER, registration(person)))).await;
    assert!(records.iter().all(Result::is_ok));
    registry.stop().await;

    let untouched = || {};
    let deleted = || fs::remove_dir_all(&index).unwrap();
    let broken = || fs::write(index.join("db"), [0xa5; 4096]).unwrap();
    for damage in [&untouched as &dyn Fn(), &deleted, &broken] {
        damage();
        let registry = Registry::start(config(index.clone()), &nats.url).await;
        for (person, record) in people.iter().zip(&records) {
            assert_eq!(lookup(&client, person.handle.as_str()).await.as_ref(), Ok(record.as_ref().unwrap()));
        }
        registry.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nats_is_away_the_registry_says_so_and_goes_on_afterwards() {
    let mut nats = Nats::start();
    let registry = Registry::start(config(nats.index("a")), &nats.url).await;
    let client = nats.asker().await;
    let alice = ask(&client, REGISTRY_REGISTER, registration(&Person::new(1, "alice"))).await.unwrap();

    for round in 2..4 {
        nats.kill();
        eventually("the gate to close", async || (!registry.life.ready.is_ready()).then_some(())).await;
        nats.restart();
        tokio::time::timeout(LIMIT, registry.life.ready.wait()).await.unwrap();
        let client = nats.asker().await;
        let answered = async || lookup(&client, "alice").await.ok();
        // The service's subscriptions follow its connection.
        let no_responders = async || client.request(REGISTRY_LOOKUP, "{}".into()).await.ok();
        eventually("the service", no_responders).await;
        assert_eq!(answered().await, Some(alice.clone()));
        let begun = Instant::now();
        ask(&client, REGISTRY_REGISTER, registration(&Person::new(round, &format!("user-{round}"))))
            .await
            .unwrap();
        assert!(begun.elapsed() < CALLER_DEADLINE);
    }
    nats.kill();
    eventually("the gate to close", async || (!registry.life.ready.is_ready()).then_some(())).await;
    registry.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_vanishes_is_not_begun_anew_and_one_that_is_replaced_is_read_anew() {
    let nats = Nats::start();
    let index = nats.index("a");
    let registry = Registry::start(config(index.clone()), &nats.url).await;
    let client = nats.asker().await;
    ask(&client, REGISTRY_REGISTER, registration(&Person::new(1, "alice"))).await.unwrap();

    let jetstream = async_nats::jetstream::new(client.clone());
    jetstream.delete_stream(REGISTRY_STREAM).await.unwrap();
    eventually("the gate to close", async || (!registry.life.ready.is_ready()).then_some(())).await;
    let begun = Instant::now();
    let refused = ask(&client, REGISTRY_REGISTER, registration(&Person::new(2, "bobby"))).await.unwrap_err();
    assert_eq!(refused.code, Code::Unavailable);
    assert!(begun.elapsed() < CALLER_DEADLINE);
    assert!(lookup(&client, "alice").await.is_ok());
    assert!(jetstream.get_stream(REGISTRY_STREAM).await.is_err());

    // Another instance may begin an empty one; the first then drops what it knew.
    let other = Registry::start(config(nats.index("b")), &nats.url).await;
    eventually("the new log", async || {
        (lookup(&client, "alice").await == Err(Code::UnknownHandle)).then_some(())
    })
    .await;
    other.stop().await;
    tokio::time::timeout(LIMIT, registry.life.ready.wait()).await.unwrap();
    eventually("the new log", async || {
        (lookup(&client, "alice").await == Err(Code::UnknownHandle)).then_some(())
    })
    .await;
    ask(&client, REGISTRY_REGISTER, registration(&Person::new(2, "alice"))).await.unwrap();
    registry.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_is_fixed_when_it_is_created() {
    let nats = Nats::start();
    let wanted = kez_registry::Config { partitions: Some(8), ..config(nats.index("a")) };
    let registry = Registry::start(wanted.clone(), &nats.url).await;
    let jetstream = async_nats::jetstream::new(nats.asker().await);
    let stream = jetstream.get_stream(REGISTRY_STREAM).await.unwrap();
    let deployment = Deployment::from_metadata(&stream.cached_info().config.metadata).unwrap();
    assert_eq!(
        (deployment.server.as_str(), deployment.partitions, deployment.epoch.len()),
        ("kez.lat", 8, 16)
    );

    let failure = async |config| Registry::spawn(config, &nats.url).end().await.unwrap_err().kind;
    let other = config(nats.index("b"));
    let server = "other.lat".parse().unwrap();
    assert_eq!(failure(wanted).await, Kind::DataInUse);
    assert_eq!(failure(kez_registry::Config { server, ..other.clone() }).await, Kind::Deployment);
    assert_eq!(
        failure(kez_registry::Config { partitions: Some(16), ..other.clone() }).await,
        Kind::Deployment
    );
    Registry::start(other, &nats.url).await.stop().await;
    registry.stop().await;

    let single = Nats::start();
    let copies = kez_registry::Config { replicas: 3, ..config(single.index("a")) };
    let failure = Registry::spawn(copies, &single.url).end().await.unwrap_err();
    assert_eq!(failure.kind, Kind::Configuration, "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_while_it_waits_for_nats() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::spawn(config(folder.path().join("index")), "nats://127.0.0.1:1");
    assert!(!registry.life.ready.is_ready());
    registry.stop().await;
}
