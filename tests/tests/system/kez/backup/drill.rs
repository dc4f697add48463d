//! The drill: copied under load, destroyed, restored elsewhere.

use std::sync::{Arc, Mutex};

use kez_proto::registry::Record;
use kez_tests::{
    Deployment, Person, eventually, http,
    person::send,
    sse::Stream,
    writer::{Writer, add, chain_url},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Operator, User, epoch};
use crate::kez::listening::Listening;

/// Who gets how much mail before the backup begins, at least.
const PEOPLE: usize = 5;
const MESSAGES: usize = 200;

/// Acknowledged messages: whose, under which seq, and what was sent.
type Acknowledged = Arc<Mutex<Vec<(usize, u64, Value)>>>;

async fn chain(url: &str, writer: &Writer) -> Value {
    http::get(chain_url(url, &writer.primary())).await.json().await.unwrap()
}

/// Sends to everybody in turn until it is dropped.
async fn send_on(url: String, people: Arc<Vec<Person>>, sender: usize, acknowledged: Acknowledged) {
    for n in sender.. {
        let envelope = json!({"n": n, "sender": sender, "filler": "x".repeat(n % 3000)});
        let to = n % people.len();
        let answer = send(&url, people[to].handle.as_str(), envelope.clone()).await;
        assert_eq!(answer.status(), 201);
        let sent: Value = answer.json().await.unwrap();
        acknowledged.lock().unwrap().push((to, sent["seq"].as_u64().unwrap(), envelope));
    }
}

/// Copies a deployment under load, destroys it, and restores it to this one.
async fn drill(mut restored: Deployment, flags: &[&str]) {
    let mut first = Deployment::alone().await;
    first.begin().await;
    let url = first.url(0).to_owned();
    let mut people = vec![];
    for n in 0..PEOPLE {
        people.push(Person::registered(&format!("person-{n}"), &url).await);
    }
    let people = Arc::new(people);
    let mut writer = Writer::of(&people[0]);
    writer.append(&url, &add("github:somebody")).await;
    let rotated = Person::new("person-0");
    let next = ed25519_dalek::SigningKey::from_bytes(&rotated.seed());
    let rotation = writer.rotation(&next);
    writer.append_signed(&url, &rotation).await;
    writer.key = next;
    let (alice, bob) = (User::registered("alice", &url).await, User::registered("bobby", &url).await);
    bob.must(&["send", "alice", "before"]).await;
    let mut listening = Listening::start(&alice, &[]).await;
    assert!(listening.line().await.ends_with("before"));
    assert!(listening.interrupt().await.is_empty());

    let acknowledged = Acknowledged::default();
    let mut load = JoinSet::new();
    for sender in 0..4 {
        load.spawn(send_on(url.clone(), people.clone(), sender, acknowledged.clone()));
    }
    eventually("there is mail", async || (acknowledged.lock().unwrap().len() > MESSAGES).then_some(())).await;
    let before = acknowledged.lock().unwrap().clone();
    let operator = Operator::new();
    let told = operator.must("backup", "copy", &first, &[]).await;
    assert!(acknowledged.lock().unwrap().len() > before.len(), "nobody had to wait for the backup");
    load.shutdown().await;
    assert!(told["manifest"]["streams"].as_array().unwrap().len() == 18, "{told}");
    for verb in ["backup", "restore"] {
        assert_eq!(operator.verify(verb, "copy").await.status, Some(0));
    }
    let (records, log, old_epoch) =
        (records(&url, &people).await, chain(&url, &writer).await, epoch(&url).await);
    let (_stream, ready) = Stream::open(&url, &people[1], "&since=0").await;
    assert_eq!(ready.json()["epoch"], json!(old_epoch));
    first.end().await;
    drop(first);

    let told = operator.must("restore", "copy", &restored, flags).await;
    restored.begin().await;
    let url = restored.url(0).to_owned();
    let new_epoch = epoch(&url).await;
    assert_eq!((&told["epoch"], &told["epoch_before"]), (&json!(new_epoch), &json!(old_epoch)));
    assert_ne!(new_epoch, old_epoch);

    assert_eq!(self::records(&url, &people).await, records);
    assert_eq!(chain(&url, &writer).await, log);
    for (n, person) in people.iter().enumerate() {
        let reader = if n == 0 { &rotated } else { person };
        let mail = reader.mail(&url).await;
        for (_, seq, envelope) in before.iter().filter(|(to, ..)| *to == n) {
            assert!(mail.contains(&(*seq, envelope.clone())), "{n} lacks {seq}");
        }
    }

    // A reader of before is told that its place counts no more, and gets everything.
    let query = format!("&since=1000000&epoch={old_epoch}");
    let (mut stream, ready) = Stream::open(&url, &people[1], &query).await;
    assert_eq!(ready.json()["epoch"], json!(new_epoch));
    assert_eq!(stream.word().await.unwrap().kind, "resync");
    let first = people[1].mail(&url).await.first().unwrap().0;
    assert_eq!(stream.message().await.seq(), first);

    // So does `kez`, which shows nothing twice, and new mail goes on behind the old.
    let at = ["--server-url", url.as_str()];
    bob.must(&[&at[..], &["send", "alice", "after"]].concat()).await;
    let mut listening = Listening::start(&alice, &at).await;
    assert!(listening.line().await.ends_with("bobby@kez.test: after"));
    assert!(listening.interrupt().await.is_empty());
    let late = Person::registered("latecomer", &url).await;
    assert_eq!(late.looked_up(&url).await.handle.as_str(), "latecomer");
}

async fn records(url: &str, people: &[Person]) -> Vec<Record> {
    let mut records = vec![];
    for person in people {
        let mut record = person.looked_up(url).await;
        // Where identity logs are is the server's to say.
        record.sigchain_url.clear();
        records.push(record);
    }
    records
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_a_backup_is_there_after_a_restore() {
    drill(Deployment::alone().await, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_one_server_becomes_a_cluster() {
    let mut cluster = Deployment::cluster_alone().await;
    // Services ran there before, and nobody came.
    cluster.begin().await;
    cluster.end().await;
    drill(cluster, &["--replicas", "3"]).await;
}
