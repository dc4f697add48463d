//! The broker is killed, or hangs.

use std::time::{Duration, Instant};

use kez_tests::{Deployment, Person, Process, eventually, http, person::send, sse::Stream};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::probe::{all_ready, assert_all_unavailable, assert_all_work, processes, readiness, still_open};

const SETTLED: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_was_killed_is_told_in_time_and_missed_by_no_message() {
    let mut deployment = Deployment::start(2).await;
    let urls = [deployment.url(0).to_owned(), deployment.url(1).to_owned()];
    let alice = Person::registered("alice", &urls[0]).await;
    let (mut stream, _) = Stream::open(&urls[0], &alice, "").await;
    let (mut acknowledged, mut seen) = (vec![acknowledge(&urls[0], json!({"n": "before"})).await], vec![]);
    // A young stream looks for what it missed in any case; one of this age must have been told that the broker is back.
    let (opened, mut settled) = (Instant::now(), false);
    let (mut rounds, mut slowest, mut back) = (0, Duration::ZERO, Duration::ZERO);
    while !std::mem::replace(&mut settled, opened.elapsed() > SETTLED) {
        rounds += 1;
        for n in 0..5 {
            // By the other gateway, and killed at once: its push may never come.
            acknowledged.push(acknowledge(&urls[1], json!({"round": rounds, "n": n})).await);
        }
        deployment.nats.kill();
        for process in processes(&deployment) {
            told(process).await;
        }
        for url in &urls {
            slowest = slowest.max(assert_all_unavailable(url, &alice).await);
        }

        // One gateway comes back after the others: what is sent meanwhile is pushed to nobody there.
        deployment.gateways[0].signal(Signal::SIGSTOP);
        deployment.nats.restart().await;
        let begun = Instant::now();
        all_ready(processes(&deployment).skip(1)).await;
        back = back.max(begun.elapsed());
        for n in 0..5 {
            acknowledged.push(acknowledge(&urls[1], json!({"round": rounds, "meanwhile": n})).await);
        }
        deployment.gateways[0].signal(Signal::SIGCONT);
        for message in &acknowledged[seen.len()..] {
            seen.push(mail(&mut stream).await);
            assert_eq!(seen.last(), Some(message), "missed, though no later push can show it");
        }
    }
    println!(
        "{rounds} times: the slowest answer took {slowest:?}; the others were ready at most {back:?} after the broker"
    );
    all_ready(processes(&deployment)).await;
    for url in &urls {
        acknowledged.push(acknowledge(url, json!({"n": format!("after, {url}")})).await);
        assert_all_work(url, &alice).await;
    }
    assert_same(&mut stream, seen, &alice, &urls, &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_hangs_is_told_in_time() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0).to_owned();
    let alice = Person::registered("alice", &url).await;
    let (mut stream, _) = Stream::open(&url, &alice, "").await;
    let mut acknowledged = vec![acknowledge(&url, json!({"n": "before"})).await];
    deployment.nats.signal(Signal::SIGSTOP);
    for _ in 0..2 {
        let slowest = assert_all_unavailable(&url, &alice).await;
        println!("broker hangs: the slowest answer took {slowest:?}");
    }
    for process in processes(&deployment) {
        let live = http::get(format!("http://{}/livez", process.address("admin"))).await;
        assert_eq!(live.status(), 200);
    }
    deployment.nats.signal(Signal::SIGCONT);
    let begun = Instant::now();
    eventually("mail is taken again", async || {
        (send(&url, "alice", json!({"n": "after"})).await.status() == 201).then_some(())
    })
    .await;
    println!("broker goes on: mail is taken after {:?}", begun.elapsed());
    acknowledged.push(acknowledge(&url, json!({"n": "at last"})).await);
    assert_all_work(&url, &alice).await;
    assert_same(&mut stream, vec![], &alice, std::slice::from_ref(&url), &acknowledged).await;
}

/// It says that it isn't ready, and why; it is alive all the same, for a restart wouldn't bring the broker back.
async fn told(process: &Process) {
    let gates = eventually("a service isn't ready", async || {
        let (status, gates) = readiness(process).await;
        (status == 503).then_some(gates)
    })
    .await;
    assert!(gates.as_object().unwrap().values().any(|why| why == "NATS is away"), "{gates}");
    assert_eq!(http::get(format!("http://{}/livez", process.address("admin"))).await.status(), 200);
}

async fn acknowledge(url: &str, envelope: Value) -> (u64, Value) {
    let response = send(url, "alice", envelope.clone()).await;
    assert_eq!(response.status(), 201);
    (response.json::<Value>().await.unwrap()["seq"].as_u64().unwrap(), envelope)
}

/// An inbox's messages, in order.
type Mail = Vec<(u64, Value)>;

/// The stream that was open all the time, of which this was seen already, has what history has: every acknowledged message, once, in order.
async fn assert_same(
    stream: &mut Stream,
    mut seen: Mail,
    person: &Person,
    urls: &[String],
    acknowledged: &Mail,
) {
    // The last one: whatever is skipped or repeated comes before it.
    let last = acknowledge(&urls[0], json!({"n": "the end"})).await;
    while seen.last() != Some(&last) {
        seen.push(mail(stream).await);
    }
    for message in acknowledged {
        assert!(seen.contains(message), "{message:?} is lost");
    }
    for url in urls {
        assert_eq!(person.mail(url).await, seen);
    }
    still_open(stream).await;
}

async fn mail(stream: &mut Stream) -> (u64, Value) {
    let event = stream.message().await;
    (event.seq(), event.json()["envelope"].take())
}
