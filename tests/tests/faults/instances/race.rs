//! Registrations that race: whatever the instances' indexes know at that moment, the log's order decides, and all tell the same.

use kez_proto::registry::Record;
use kez_tests::{Deployment, Person, SERVER, eventually, http, within};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{log, urls};

/// A race counts only if two requests at least got past the indexes and met in the log.
const ROUNDS: usize = 5;
/// Lookups go to either registry: so many alike were answered by both.
const LOOKUPS: usize = 24;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_keys_race_for_one_handle() {
    let deployment = Deployment::start(2).await;
    for round in 0..ROUNDS {
        let handle = format!("wanted-{round}");
        let people: Vec<_> = (0..100).map(|_| Person::new(&handle)).collect();
        let answers = race(&urls(&deployment), people.iter().map(Person::registration).collect()).await;
        let winners: Vec<_> = answers.iter().enumerate().filter(|(_, (status, _))| *status == 201).collect();
        assert_eq!(winners.len(), 1, "{winners:?}");
        for (_, body) in answers.iter().filter(|(status, _)| *status != 201) {
            assert_eq!(
                (body["status"].as_u64(), body["code"].as_str()),
                (Some(409), Some("handle_taken")),
                "{body}"
            );
        }
        let (winner, (_, record)) = winners[0];
        let record: Record = serde_json::from_value(record.clone()).unwrap();
        assert_eq!(
            (record.primary, record.fqhn.as_str()),
            (people[winner].identity.primary(), format!("{handle}@{SERVER}").as_str())
        );
        for url in urls(&deployment) {
            everywhere(&format!("{url}/v1/u/{handle}"), &record).await;
        }
        let reached = log::registrations(&deployment).await.iter().filter(|p| p["handle"] == *handle).count();
        if reached >= 2 {
            println!("round {round}: {reached} of 100 registrations met in the log");
            return;
        }
    }
    panic!("in {ROUNDS} rounds no two registrations of one handle met in the log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_races_for_fifty_handles() {
    let deployment = Deployment::start(2).await;
    for round in 0..ROUNDS {
        let mut person = Person::new("nobody-yet");
        let handles: Vec<_> = (0..50).map(|n| format!("greedy-{round}-{n}")).collect();
        let registrations = handles.iter().map(|handle| {
            person.handle = handle.parse().unwrap();
            person.registration()
        });
        let answers = race(&urls(&deployment), registrations.collect()).await;
        let winners: Vec<_> = answers.iter().filter(|(status, _)| *status == 201).collect();
        assert_eq!(winners.len(), 1, "{winners:?}");
        for (_, body) in answers.iter().filter(|(status, _)| *status != 201) {
            assert_eq!(
                (body["status"].as_u64(), body["code"].as_str()),
                (Some(409), Some("primary_taken")),
                "{body}"
            );
        }
        let record: Record = serde_json::from_value(winners[0].1.clone()).unwrap();
        let primary = person.identity.primary();
        assert_eq!(record.primary, primary);
        for url in urls(&deployment) {
            everywhere(&format!("{url}/v1/by-primary/{primary}"), &record).await;
            for handle in handles.iter().filter(|handle| *handle != record.handle.as_str()) {
                let answer = http::get(format!("{url}/v1/u/{handle}")).await;
                assert_eq!(answer.status(), 404, "{handle} has an owner");
            }
        }
        let entries = log::registrations(&deployment).await;
        let reached = entries.iter().filter(|p| p["primary"] == primary.to_string()).count();
        if reached >= 2 {
            println!("round {round}: {reached} of 50 registrations met in the log");
            return;
        }
    }
    panic!("in {ROUNDS} rounds no two registrations of one key met in the log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_envelope_posted_fifty_times_at_once_is_one_registration() {
    let deployment = Deployment::start(2).await;
    let alice = Person::new("alice");
    let envelope = alice.registration();
    let answers = race(&urls(&deployment), vec![envelope; 50]).await;
    for (status, record) in &answers {
        assert_eq!((*status, record), (201, &answers[0].1));
    }
    assert_eq!(answers[0].1["primary"], json!(alice.identity.primary()));
    let record = serde_json::from_value(answers[0].1.clone()).unwrap();
    for url in urls(&deployment) {
        everywhere(&format!("{url}/v1/u/alice"), &record).await;
    }
}

/// Posts all at once, each to the next gateway; the definite answers, in the order of the envelopes.
async fn race(urls: &[String], envelopes: Vec<Value>) -> Vec<(u16, Value)> {
    let client = http::client();
    let mut posts = JoinSet::new();
    for (n, envelope) in envelopes.into_iter().enumerate() {
        let url = format!("{}/v1/register", urls[n % urls.len()]);
        posts.spawn(post(client.clone(), n, url, envelope));
    }
    let mut answers = within("all have an answer", posts.join_all()).await;
    answers.sort_by_key(|(n, _)| *n);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

async fn post(client: Client, n: usize, url: String, envelope: Value) -> (usize, (u16, Value)) {
    // `unavailable` says that the outcome isn't known: the same bytes again must tell it.
    loop {
        let response = client.post(&url).json(&envelope).send().await.unwrap();
        let answer = (response.status().as_u16(), response.json::<Value>().await.unwrap());
        if (answer.0, answer.1["code"].as_str()) != (503, Some("unavailable")) {
            return (n, answer);
        }
    }
}

/// Both registries come to answer this record, and never another one.
async fn everywhere(url: &str, record: &Record) {
    let client = http::client();
    eventually(&format!("{url} is known everywhere"), async || {
        for _ in 0..LOOKUPS {
            let response = client.get(url).send().await.unwrap();
            if response.status() == 404 {
                return None;
            }
            assert_eq!(response.json::<Record>().await.unwrap(), *record);
        }
        Some(())
    })
    .await;
}
