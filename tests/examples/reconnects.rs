//! `make bench`: how long it takes until everybody is back who lost their connection at once, and what it costs.
//!
//! 2,000 people, each with the client library's feed over NATS, lose their connection twice: nats-server is killed and started again, and then all
//! are kicked. Each time everybody is sent a message meanwhile, and must have it once. The floor is the same number of users whose keys stand in
//! nats-server's own configuration, and who wait as long before they try again: no callout, no history, no mail.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a program of its own")]

use std::{
    collections::HashMap,
    fmt::Write as _,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_nats::{Client, ConnectOptions, Event};
use futures_util::{StreamExt, stream};
use kez_tests::{Deployment, chat_server::free_port, eventually, nats::nats_server};
use nkeys::KeyPair;
use tempfile::TempDir;
use tokio::time::sleep;

#[path = "../tests/faults/callout/storm.rs"]
mod storm;
#[allow(dead_code, reason = "the tests read more of it")]
#[path = "../tests/faults/callout/system.rs"]
mod system;

use storm::{Readers, people, send_all};
use system::System;

const PEOPLE: usize = 2000;
const LOGINS: usize = 20;
const PAUSE: Duration = Duration::from_millis(20);

#[tokio::main]
async fn main() {
    // A smaller number is for trying this program.
    let count = std::env::args().nth(1).map_or(PEOPLE, |count| count.parse().unwrap());
    let mut report = format!("{count} clients that lose their connection at once\n");
    ours(count, &mut report).await;
    println!("{report}");
    report.clear();
    floor(count, &mut report).await;
    println!("{report}");
}

async fn ours(count: usize, report: &mut String) {
    eprintln!("{count} people register and connect");
    let mut deployment = Deployment::start(1).await;
    let (url, nats) = (deployment.url(0).to_owned(), deployment.nats.url());
    let people = people("person", count, &url).await;
    let readers = Readers::start(&people, &nats).await;

    eprintln!("all are sent a message");
    let (began, before) = (Instant::now(), used(&processes(&deployment)));
    let mut sent = vec![send_all(&people, 0, &url).await];
    readers.check(&people, &sent).await;
    writeln!(report, "\nA message to each while all are connected: {:.1} s", began.elapsed().as_secs_f64())
        .unwrap();
    tell_used(report, &processes(&deployment), &before);

    for n in [1, 2] {
        let system = System::connect(&deployment.nats).await;
        let (began, before) = (Instant::now(), used(&processes(&deployment)));
        let what = if n == 1 { "nats-server is killed and started again" } else { "All are kicked" };
        eprintln!("{what}");
        if n == 1 {
            deployment.nats.kill();
        }
        let meanwhile = tokio::spawn({
            let (people, url) = (people.clone(), url.clone());
            async move { send_all(&people, n, &url).await }
        });
        match n {
            1 => deployment.nats.restart().await,
            _ => system.kick_all().await,
        }
        let back = readers.back(began).await;
        sent.push(meanwhile.await.unwrap());
        readers.check(&people, &sent).await;
        tell_back(report, what, &back);
        writeln!(
            report,
            "  all had the message that was sent meanwhile, once: {:.1} s",
            began.elapsed().as_secs_f64()
        )
        .unwrap();
        tell_used(report, &processes(&deployment), &before);
    }
}

async fn floor(count: usize, report: &mut String) {
    eprintln!("the floor: {count} users in nats-server's own configuration");
    let mut floor = Floor::start(count).await;
    let system = System::with(&floor.url(), &floor.operator).await;
    for what in ["The floor: nats-server is killed and started again", "The floor: all are kicked"] {
        eprintln!("{what}");
        let (began, before) = (Instant::now(), used(&floor.processes()));
        if what.contains("killed") {
            floor.restart();
        } else {
            eventually("the operator is back", async || {
                (system.client.connection_state() == async_nats::connection::State::Connected).then_some(())
            })
            .await;
            system.kick_all().await;
        }
        tell_back(report, what, &floor.back(began).await);
        tell_used(report, &floor.processes(), &before);
    }
}

/// A nats-server that knows all its users, and them.
struct Floor {
    server: Child,
    dir: TempDir,
    port: u16,
    operator: KeyPair,
    clients: Vec<(Client, Arc<Mutex<Vec<Instant>>>)>,
}

impl Floor {
    async fn start(count: usize) -> Self {
        let (dir, port, operator) = (tempfile::tempdir().unwrap(), free_port(), KeyPair::new_user());
        let keys: Vec<_> = (0..count).map(|_| KeyPair::new_user()).collect();
        let user = |(n, key): (usize, &KeyPair)| {
            let subject = format!("kez.chat.inbox.person-{n}");
            format!(
                "{{ nkey: {}, permissions {{ subscribe {{ allow: [\"{subject}\"] }} }} }}\n",
                key.public_key()
            )
        };
        let users: String = keys.iter().enumerate().map(user).collect();
        let config = format!(
            "host: 127.0.0.1\nport: {port}\nsystem_account: SYS\naccounts {{\nSYS {{ users: [ {{ nkey: {} }} ] }}\nCHAT {{ users: [\n{users}] }}\n}}\n",
            operator.public_key()
        );
        std::fs::write(dir.path().join("server.conf"), config).unwrap();
        let mut floor = Self { server: serve(&dir), dir, port, operator, clients: vec![] };
        let url = &floor.url();
        let connect = |(n, key): (usize, KeyPair)| async move {
            let connected = Arc::<Mutex<Vec<Instant>>>::default();
            let (note, first) = (connected.clone(), AtomicBool::new(true));
            let options = ConnectOptions::with_nkey(key.seed().unwrap())
                .retry_on_initial_connect()
                .reconnect_delay_callback(move |attempt| {
                    if first.swap(false, Ordering::Relaxed) { Duration::ZERO } else { delay(attempt) }
                })
                .event_callback(move |event| {
                    if matches!(event, Event::Connected) {
                        note.lock().unwrap().push(Instant::now());
                    }
                    async {}
                });
            let client = options.connect(url).await.unwrap();
            // It lives as long as its client.
            let mut inbox = client.subscribe(format!("kez.chat.inbox.person-{n}")).await.unwrap();
            tokio::spawn(async move { while inbox.next().await.is_some() {} });
            while connected.lock().unwrap().is_empty() {
                sleep(PAUSE).await;
            }
            (client, connected)
        };
        floor.clients =
            stream::iter(keys.into_iter().enumerate()).map(connect).buffered(LOGINS).collect().await;
        floor
    }

    fn restart(&mut self) {
        self.kill();
        self.server = serve(&self.dir);
    }

    fn kill(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }

    fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    fn processes(&self) -> Processes {
        vec![("nats-server", self.server.id() as i32), ("the clients", std::process::id() as i32)]
    }

    /// How long everybody was without a connection, the shortest first.
    async fn back(&self, since: Instant) -> Vec<Duration> {
        let mut back = vec![];
        for (_, connected) in &self.clients {
            let at = loop {
                let at = connected.lock().unwrap().iter().find(|at| **at > since).copied();
                match at {
                    Some(at) => break at,
                    None => sleep(PAUSE).await,
                }
            };
            back.push(at - since);
        }
        back.sort();
        back
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.kill();
    }
}

fn serve(dir: &TempDir) -> Child {
    let mut command = Command::new(nats_server());
    command.arg("-c").arg(dir.path().join("server.conf")).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// As long as the client library's own reader waits: from half a second on, doubled, and up to four times as much again.
fn delay(attempt: usize) -> Duration {
    const CEILING: Duration = Duration::from_secs(30);
    let least = Duration::from_millis(500 << attempt.saturating_sub(1).min(6)).min(CEILING);
    least + (least * 4).min(CEILING).mul_f64(fastrand::f64())
}

type Processes = Vec<(&'static str, i32)>;

fn processes(deployment: &Deployment) -> Processes {
    let of = |process: &kez_tests::Process| process.pid().as_raw();
    vec![
        ("nats-server", deployment.nats.pid() as i32),
        ("kez-auth-callout", of(&deployment.auth_callouts[0])),
        ("kez-registry", of(&deployment.registries[0])),
        ("kez-fanout", of(&deployment.fanouts[0])),
        ("kez-gateway", of(&deployment.gateways[0])),
        ("the clients", std::process::id() as i32),
    ]
}

/// Seconds of CPU by process: (user, system).
type Used = HashMap<i32, (f64, f64)>;

fn used(processes: &Processes) -> Used {
    processes.iter().map(|(_, pid)| (*pid, cpu(*pid))).collect()
}

/// What these have used since; a process that wasn't there then, all that it used.
fn tell_used(report: &mut String, processes: &Processes, before: &Used) {
    for (name, pid) in processes {
        let ((u, s), (user, system)) = (cpu(*pid), before.get(pid).copied().unwrap_or_default());
        let (u, s) = (u - user, s - system);
        writeln!(report, "  CPU of {name:<17} {:>6.2} s (user {u:.2}, system {s:.2})", u + s).unwrap();
    }
}

fn tell_back(report: &mut String, what: &str, back: &[Duration]) {
    let at = |n: usize| back[n].as_secs_f64();
    let (half, all) = (at(back.len() / 2), at(back.len() - 1));
    writeln!(report, "\n{what}\n  half are back after {half:.1} s, all after {all:.1} s").unwrap();
}

/// Seconds of CPU that a process has used: (user, system).
fn cpu(pid: i32) -> (f64, f64) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    // Ticks of 1/100 s on every Linux that we know.
    let seconds = |n: usize| fields[n].parse::<f64>().unwrap() / 100.0;
    (seconds(11), seconds(12))
}
