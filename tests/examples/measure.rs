//! `make measure`: what one message costs, beside what NATS alone costs for the same durability, interleaved in one run.
//!
//! Latency: 1,000 messages one after another, from the start of the POST to the SSE event. The floor is a publish into an inbox stream of the same
//! configuration until its republish reaches a subscriber. CPU: 10,000 messages from 50 senders at once to 50 recipients, each with a stream.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a program of its own")]

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use async_nats::{
    Client, ConnectOptions, HeaderMap,
    jetstream::{
        self,
        stream::{Config, Republish},
    },
};
use futures_util::StreamExt;
use kez_proto::subjects::{self, Role};
use kez_tests::{ChatServer, Deployment, Person, nats::Nats, person::send};
use serde_json::json;
use tokio::sync::mpsc;

const ROUNDS: usize = 10;
const PER_ROUND: usize = 100;
const SENDERS: usize = 50;
const PER_SENDER: usize = 200;

#[tokio::main]
async fn main() {
    let mut report = String::new();
    let dir = tempfile::tempdir().unwrap();
    let server = ChatServer::start(dir.path()).await;
    let pids = [("kez-chat-server", server.process.pid().as_raw()), ("its nats-server", server.nats_pid())];
    writeln!(report, "Resident memory, idle").unwrap();
    for (name, pid) in pids {
        writeln!(report, "  {name:<18} {:>7.1} MiB", resident(pid)).unwrap();
    }
    {
        let separate = Deployment::start(1).await;
        let services = [&separate.registries[0], &separate.fanouts[0], &separate.gateways[0]];
        for (name, service) in ["kez-registry", "kez-fanout", "kez-gateway"].iter().zip(services) {
            writeln!(report, "  {name:<18} {:>7.1} MiB", resident(service.pid().as_raw())).unwrap();
        }
    }

    eprintln!("latency: {ROUNDS} rounds of {PER_ROUND}, ours and the floor in turn");
    let alice = Person::registered("alice", server.url()).await;
    let mut events = stream(server.url(), &alice).await;
    let floor = Floor::start().await;
    let (mut ours, mut raw) = (vec![], vec![]);
    for round in 0..ROUNDS {
        for n in 0..PER_ROUND {
            let began = Instant::now();
            let envelope = json!({"v": 0, "id": format!("{round}-{n}"), "pad": "x".repeat(500)});
            let posted = tokio::spawn({
                let url = server.url().to_owned();
                async move { send(&url, "alice", envelope).await.status() }
            });
            ours.push(events.recv().await.unwrap() - began);
            assert_eq!(posted.await.unwrap(), 201);
            raw.push(floor.once(&format!("{round}-{n}")).await);
        }
    }
    writeln!(report, "\nLatency, one message at a time, {} messages      p50        p99", ours.len())
        .unwrap();
    writeln!(
        report,
        "  POST to SSE event                            {:>8.2} ms {:>8.2} ms",
        percentile(&mut ours, 50),
        percentile(&mut ours, 99)
    )
    .unwrap();
    writeln!(
        report,
        "  NATS alone (publish, fsync, republish)       {:>8.2} ms {:>8.2} ms",
        percentile(&mut raw, 50),
        percentile(&mut raw, 99)
    )
    .unwrap();

    eprintln!("CPU: {SENDERS} senders × {PER_SENDER}");
    let client = reqwest::Client::new();
    let mut people = vec![];
    for n in 0..SENDERS {
        let person = Person::registered(&format!("reader-{n}"), server.url()).await;
        let events = stream(server.url(), &person).await;
        people.push((person.handle.to_string(), events));
    }
    let before = pids.map(|(_, pid)| cpu(pid));
    let began = Instant::now();
    let work = people.into_iter().map(|(handle, mut events)| {
        let (client, url) = (client.clone(), format!("{}/v1/messages", server.url()));
        tokio::spawn(async move {
            for n in 0..PER_SENDER {
                let body = json!({"to": handle, "envelope": {"id": format!("{handle}-{n}"), "pad": "x".repeat(500)}});
                assert_eq!(client.post(&url).json(&body).send().await.unwrap().status(), 201);
                events.recv().await.unwrap();
            }
        })
    });
    for done in work.collect::<Vec<_>>() {
        done.await.unwrap();
    }
    let wall = began.elapsed();
    let delivered = SENDERS * PER_SENDER;
    writeln!(
        report,
        "\nCPU for {delivered} delivered messages ({:.0}/s, {:.1} s)",
        delivered as f64 / wall.as_secs_f64(),
        wall.as_secs_f64()
    )
    .unwrap();
    for ((name, pid), (user, system)) in pids.iter().zip(before) {
        let (u, s) = cpu(*pid);
        writeln!(
            report,
            "  {name:<18} {:>6.2} s (user {:.2}, system {:.2})",
            u - user + s - system,
            u - user,
            s - system
        )
        .unwrap();
    }
    println!("{report}");
}

/// The floor: one inbox stream in a nats-server with the same accounts, and nothing of ours.
struct Floor {
    publisher: jetstream::Context,
    pushes: tokio::sync::Mutex<async_nats::Subscriber>,
    _nats: Nats,
}

impl Floor {
    async fn start() -> Self {
        let nats = Nats::start().await;
        let publisher = jetstream::new(connect(&nats, Role::Fanout).await);
        let store = subjects::store_of_partition(0);
        let config = Config {
            name: subjects::inbox_stream(0),
            republish: Some(Republish {
                source: store.clone(),
                destination: subjects::INBOX_FROM_STORE.into(),
                headers_only: false,
            }),
            subjects: vec![store],
            ..Default::default()
        };
        publisher.create_stream(config).await.unwrap();
        let pushes = connect(&nats, Role::Gateway).await.subscribe("kez.chat.inbox.*").await.unwrap();
        let floor = Self { publisher, pushes: pushes.into(), _nats: nats };
        floor.once("first").await;
        floor
    }

    async fn once(&self, id: &str) -> Duration {
        let mut headers = HeaderMap::new();
        headers.insert(kez_proto::headers::NATS_MSG_ID, id);
        let began = Instant::now();
        let published = self
            .publisher
            .publish_with_headers("kez.store.inbox.0.alice", headers, "x".repeat(530).into())
            .await
            .unwrap();
        self.pushes.lock().await.next().await.unwrap();
        let took = began.elapsed();
        published.await.unwrap();
        took
    }
}

async fn connect(nats: &Nats, role: Role) -> Client {
    let seed = std::fs::read_to_string(nats.keys.seed_file(role)).unwrap();
    let options = ConnectOptions::with_nkey(seed.trim().into()).custom_inbox_prefix(role.inbox_prefix());
    options.connect(nats.url()).await.unwrap()
}

/// Opens a stream; the arrival of each message event.
async fn stream(url: &str, person: &Person) -> mpsc::UnboundedReceiver<Instant> {
    let url = format!("{url}/v1/inbox/{}/stream?auth={}", person.handle, person.stream_auth());
    let mut bytes = reqwest::get(url).await.unwrap().bytes_stream();
    let (sender, receiver) = mpsc::unbounded_channel();
    let (opened, is_open) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (mut opened, mut text) = (Some(opened), String::new());
        while let Some(Ok(chunk)) = bytes.next().await {
            text.push_str(&String::from_utf8_lossy(&chunk));
            while let Some(end) = text.find("\n\n") {
                let event: String = text.drain(..end + 2).collect();
                if event.contains("event: ready") {
                    let _ = opened.take().map(|o| o.send(()));
                } else if event.contains("event: message") {
                    let _ = sender.send(Instant::now());
                }
            }
        }
    });
    is_open.await.unwrap();
    receiver
}

fn percentile(times: &mut [Duration], p: usize) -> f64 {
    times.sort();
    times[(times.len() * p / 100).min(times.len() - 1)].as_secs_f64() * 1000.0
}

/// Seconds of CPU that a process has used: (user, system).
fn cpu(pid: i32) -> (f64, f64) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    // Ticks of 1/100 s on every Linux that we know.
    let seconds = |n: usize| fields[n].parse::<f64>().unwrap() / 100.0;
    (seconds(11), seconds(12))
}

/// Resident memory of a process in MiB.
fn resident(pid: i32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}
