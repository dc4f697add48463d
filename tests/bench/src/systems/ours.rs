//! Kez Chat itself, by both of its doors.

use std::{net::SocketAddr, sync::Arc};

use async_nats::Client;
use futures_util::StreamExt;
use kez_nats::config::Sync;
use kez_proto::subjects;
use kez_tests::{Deployment, Person, nats::Nats};
use tokio::task::JoinSet;

use super::{NATS_SERVER, PEOPLE, Sender, System, handle, settle};
use crate::{
    arrivals::Arrivals,
    http::{Connection, Stream},
    message::{self, Envelopes},
    process::Process,
};

/// A deployment of separate services on one nats-server, and its people.
pub struct Ours {
    pub deployment: Deployment,
    pub people: Vec<Person>,
}

impl Ours {
    /// Starts so many of each service, and registers so many people.
    pub async fn start(sync: Sync, instances: usize, people: usize) -> Self {
        let mut nats = Nats::start().await;
        nats.kill();
        nats.sync = sync;
        nats.restart().await;
        let unlimited = ["--limit-sender", "0", "--inbox-messages", "1000000"];
        let deployment = Deployment::start_on(nats, instances, &unlimited, &[]).await;
        let url = deployment.url(0).to_owned();
        let mut registered = vec![];
        for n in 0..people {
            registered.push(Person::registered(&handle(n), &url).await);
        }
        Self { deployment, people: registered }
    }

    /// The same with [`PEOPLE`] for each of the two doors: who reads at both would cost both.
    pub async fn with_both(sync: Sync) -> Self {
        Self::start(sync, 1, 2 * PEOPLE).await
    }

    /// The address of a gateway.
    pub fn gateway(&self, n: usize) -> SocketAddr {
        let url = self.deployment.url(n % self.deployment.gateways.len());
        url.trim_start_matches("http://").parse().expect("an address")
    }

    pub fn processes(&self) -> Vec<Process> {
        let Deployment { gateways, fanouts, registries, auth_callouts, nats, .. } = &self.deployment;
        let kinds = [
            ("gateway", gateways),
            ("fan-out", fanouts),
            ("registry", registries),
            ("callout", auth_callouts),
        ];
        let services = kinds.into_iter().flat_map(|(name, all)| all.iter().map(move |one| (name, one)));
        let mut all: Vec<_> =
            services.map(|(name, one)| Process::new(name, one.pid().as_raw() as u32)).collect();
        all.push(Process::new(NATS_SERVER, nats.pid()));
        all
    }

    /// Opens a stream of this person's.
    pub async fn stream(&self, person: &Person, gateway: usize) -> Stream {
        let path = format!("/v1/inbox/{}/stream", person.handle);
        Stream::open(self.gateway(gateway), &path, &person.stream_auth()).await
    }
}

/// POST to the gateway, and SSE from it.
pub struct OverHttp<'o> {
    ours: &'o Ours,
    arrivals: Arc<Arrivals>,
    envelopes: Envelopes,
    _readers: JoinSet<()>,
}

impl<'o> OverHttp<'o> {
    /// Opens the streams of the first [`PEOPLE`].
    pub async fn open(ours: &'o Ours) -> Self {
        let (arrivals, mut readers) = (Arc::new(Arrivals::new()), JoinSet::new());
        for (n, person) in ours.people[..PEOPLE].iter().enumerate() {
            readers.spawn(ours.stream(person, n).await.read(arrivals.clone()));
        }
        settle().await;
        Self { ours, arrivals, envelopes: Envelopes::new(), _readers: readers }
    }
}

impl System for OverHttp<'_> {
    type Sender = HttpSender;

    fn name(&self) -> &'static str {
        "Kez Chat, POST to SSE"
    }

    fn processes(&self) -> Vec<Process> {
        self.ours.processes()
    }

    fn arrivals(&self) -> &Arc<Arrivals> {
        &self.arrivals
    }

    async fn sender(&self) -> HttpSender {
        let gateway = self.ours.gateway(fastrand::usize(..));
        HttpSender { connection: Connection::open(gateway).await, envelopes: self.envelopes.clone() }
    }
}

/// A sender over HTTP, to us or to the floor that speaks HTTP, too.
pub struct HttpSender {
    pub connection: Connection,
    pub envelopes: Envelopes,
}

impl Sender for HttpSender {
    async fn send(&mut self, to: usize, n: usize) {
        let body = self.envelopes.body(&handle(to), n);
        let (status, answer) = self.connection.ask("POST", "/v1/messages", "", body).await;
        assert_eq!(status, 201, "{answer:?}");
    }
}

/// `kez.chat.send` and the push, each person on a connection of their own.
pub struct OverNats<'o> {
    ours: &'o Ours,
    arrivals: Arc<Arrivals>,
    envelopes: Envelopes,
    clients: Vec<Client>,
    _readers: JoinSet<()>,
}

impl<'o> OverNats<'o> {
    /// Logs the second [`PEOPLE`] in.
    pub async fn open(ours: &'o Ours) -> Self {
        let (arrivals, mut readers, mut clients) = (Arc::new(Arrivals::new()), JoinSet::new(), vec![]);
        for person in &ours.people[PEOPLE..] {
            let client = person.connect_nats(&ours.deployment.nats.url()).await;
            let mut pushes = client.subscribe(subjects::inbox(&person.handle)).await.expect("it may listen");
            client.flush().await.expect("the connection is open");
            clients.push(client);
            let arrivals = arrivals.clone();
            readers.spawn(async move {
                while let Some(push) = pushes.next().await {
                    arrivals.came(message::number(&push.payload).expect("a message of this program"));
                }
            });
        }
        settle().await;
        Self { ours, arrivals, envelopes: Envelopes::new(), clients, _readers: readers }
    }
}

impl System for OverNats<'_> {
    type Sender = NatsSender;

    fn name(&self) -> &'static str {
        "Kez Chat, NATS to NATS"
    }

    fn processes(&self) -> Vec<Process> {
        self.ours.processes()
    }

    fn arrivals(&self) -> &Arc<Arrivals> {
        &self.arrivals
    }

    async fn sender(&self) -> NatsSender {
        let n = fastrand::usize(..self.clients.len());
        let subject = subjects::client_send(&self.ours.people[PEOPLE + n].handle);
        NatsSender { client: self.clients[n].clone(), subject, envelopes: self.envelopes.clone() }
    }
}

/// A person who sends over NATS.
pub struct NatsSender {
    client: Client,
    subject: String,
    envelopes: Envelopes,
}

impl Sender for NatsSender {
    async fn send(&mut self, to: usize, n: usize) {
        let body = self.envelopes.body(&handle(PEOPLE + to), n);
        let answer = self.client.request(self.subject.clone(), body).await.expect("an answer");
        assert!(answer.headers.is_none(), "refused: {:?}", answer.headers);
    }
}
