use std::{collections::HashMap, time::Instant};

use kez_tests::{ChatServer, Person, disk::Disk, eventually, http, person::send};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::away::{IN_TIME, readiness};

const PEOPLE: usize = 6;

/// Mail that was acknowledged, by recipient.
type Acknowledged = HashMap<String, Vec<Value>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_refuses_mail_and_keeps_what_was_acknowledged() {
    let Some(disk) = Disk::new("size=100m") else { return };
    let db = disk.path().join("db");
    let server = ChatServer::start(&db).await;
    let (mut people, mut acknowledged) = (vec![], Acknowledged::new());
    for n in 0..PEOPLE {
        people.push(Person::registered(&format!("person-{n}"), server.url()).await);
    }
    for n in 0..5 {
        assert_eq!(send_to_all(server.url(), &people, n, &mut acknowledged).await, 0);
    }
    // What the index of handles has yet to write finds no room.
    for n in 0..3 {
        Person::registered(&format!("unwritten-{n}"), server.url()).await;
    }
    disk.fill();
    // The first may find room in what was set aside.
    let mut rounds = 5..;
    eventually("mail is refused", async || {
        let refused = send_to_all(server.url(), &people, rounds.next().unwrap(), &mut acknowledged).await;
        (refused == PEOPLE).then_some(())
    })
    .await;
    for n in 0..2 {
        let begun = Instant::now();
        let status = Person::new(&format!("newcomer-{n}")).register(server.url()).await.status().as_u16();
        assert!(
            [201, 503].contains(&status) && begun.elapsed() < IN_TIME,
            "{status} after {:?}",
            begun.elapsed()
        );
    }
    // It lives, and what is there can be read.
    assert_eq!(http::get(format!("{}/v1/healthz", server.url())).await.status(), 200);
    assert_kept(server.url(), &people, &acknowledged).await;

    disk.free();
    eventually("the index of handles is written again", async || {
        readiness(&server.process).await.1["registry-index"].is_null().then_some(())
    })
    .await;
    // A stream that couldn't be written once takes nothing more until nats-server starts anew, which is seen to.
    let mut rounds = 1_000_000..;
    eventually("mail is taken again", async || {
        let n = rounds.next().unwrap();
        (send_to_all(server.url(), &people, n, &mut acknowledged).await == 0).then_some(())
    })
    .await;
    eventually("all is ready again", async || (readiness(&server.process).await.0 == 200).then_some(()))
        .await;
    assert_kept(server.url(), &people, &acknowledged).await;
    // The index may have met the full disk so late that only the next look at it tells.
    let latecomer = Person::new("latecomer");
    eventually("handles are registered again", async || {
        latecomer.register(server.url()).await.status().is_success().then_some(())
    })
    .await;
}

/// The `n`th message to each, all at once; how many were refused. Each has its answer in time.
async fn send_to_all(url: &str, people: &[Person], n: usize, acknowledged: &mut Acknowledged) -> usize {
    let mut sends = JoinSet::new();
    for person in people {
        let (url, to) = (url.to_owned(), person.handle.to_string());
        let envelope = json!({"n": n, "pad": "x".repeat(5000)});
        sends.spawn(async move {
            let begun = Instant::now();
            let answer = send(&url, &to, envelope.clone()).await;
            (to, envelope, answer.status().as_u16(), begun.elapsed())
        });
    }
    let mut refused = 0;
    for (to, envelope, status, took) in sends.join_all().await {
        assert!(took < IN_TIME, "it took {took:?}");
        match status {
            201 => acknowledged.entry(to).or_default().push(envelope),
            503 | 507 => refused += 1,
            other => panic!("{other}"),
        }
    }
    refused
}

/// Each has all that was acknowledged, once and in order. What was refused may be there too: its sender doesn't know.
async fn assert_kept(url: &str, people: &[Person], acknowledged: &Acknowledged) {
    for person in people {
        assert_eq!(person.looked_up(url).await.primary, person.identity.primary());
        let mail: Vec<Value> = person.mail(url).await.into_iter().map(|(_, envelope)| envelope).collect();
        let acknowledged = &acknowledged[person.handle.as_str()];
        let kept: Vec<Value> =
            mail.iter().filter(|envelope| acknowledged.contains(envelope)).cloned().collect();
        assert_eq!(kept.len(), acknowledged.len());
        assert_eq!(kept, *acknowledged);
    }
}
