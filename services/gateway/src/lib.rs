//! The public door. Each route is one NATS request, and a stream is one subscription and one `open`. It may not have a database, speak to
//! JetStream, check a signature, or know a rule about handles or mail.

mod ask;
mod caller;
mod config;
mod counts;
mod handlers;
mod rate;
mod refusal;
mod router;
mod sigchain;
mod stream;
mod web;

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

pub use config::{Args, Config};
use kez_kit::{
    Failure, Kind, Life, Nats, http,
    limits::{self, Ordered},
    nats::NatsArgs,
    retry::{Attempt, until_done},
    service::Service,
};
use kez_proto::{limits::CALLER_DEADLINE, server::Description, subjects, subjects::Role};
use serde_json::Value;

use crate::{counts::Counts, rate::Rates, stream::Streams};

/// Live messages that may wait in one stream's subscription between two turns of its feed; what overflows is found by its gap.
const SUBSCRIPTION_CAPACITY: usize = 64;

/// What every request is answered from.
struct Gateway {
    config: Config,
    nats: Nats,
    rates: Rates,
    streams: Streams,
    counts: Counts,
}

/// The open listeners.
#[derive(Debug)]
pub struct Listeners {
    public: TcpListener,
    sigchains: Option<TcpListener>,
}

impl Listeners {
    /// Opens them, so that a port in use is told before anything else starts.
    pub fn open(config: &Config) -> Result<Self, Failure> {
        let sigchains = config.sig_bind.map(|at| http::bind(at, "--sig-bind (KEZ_CHAT_SIG_BIND)"));
        Ok(Self {
            public: http::bind(config.bind, "--bind (KEZ_CHAT_BIND)")?,
            sigchains: sigchains.transpose()?,
        })
    }

    /// Where the public one is.
    pub fn public(&self) -> Result<SocketAddr, Failure> {
        self.public.local_addr().map_err(Failure::internal)
    }
}

/// Serves until the process stops; announces the addresses as `http` and `sigchain`.
pub async fn run(
    config: Config,
    listeners: Listeners,
    nats: &NatsArgs,
    life: Life,
    drain: Duration,
) -> Result<(), Failure> {
    let gate = life.ready.gate("gateway-service");
    let role = Role::Gateway;
    let nats = Nats::connect(nats, role.name(), &role.inbox_prefix(), SUBSCRIPTION_CAPACITY, &life).await?;
    let addr = listeners.public()?;
    life.announce("http", format!("http://{addr}"));
    tracing::info!(%addr, "public listener");

    let streams = Streams::start(&nats, &life, drain).await?;
    let ordered = Ordered::follow(&nats).await?;
    let (rates, counts) = (Rates::start(&config, &nats, &ordered), Counts::new(&life.metrics));
    let gateway = Arc::new(Gateway { rates, streams, counts, nats, config });
    let router = router::router(gateway.clone());
    let serve = http::serve(listeners.public, router, life.shutdown.clone(), drain);
    let sigchains = async {
        let Some(listener) = listeners.sigchains else { return Ok(()) };
        let addr = listener.local_addr().map_err(Failure::internal)?;
        life.announce("sigchain", format!("http://{addr}"));
        http::serve(listener, router::sigchains_only(gateway.clone()), life.shutdown.clone(), drain).await
    };
    let check = async {
        check_deployment(&gateway, &life).await?;
        // It has no endpoint, and is there for those who count.
        let flags = limits::metadata(gateway.config.limits.flags());
        let description = "HTTP and server-sent events";
        let service =
            Service::telling(&gateway.nats, "kez-gateway", description, flags, || Value::Null).await?;
        gate.open();
        life.shutdown.cancelled().await;
        gate.close("stopping");
        service.stop(drain).await;
        Ok(())
    };
    tokio::try_join!(serve, sigchains, check).map(drop)
}

/// Requests are answered before this is done, with `unavailable` where need be: the answer doesn't depend on it, only whether we take work.
async fn check_deployment(gateway: &Gateway, life: &Life) -> Result<(), Failure> {
    let configured = &gateway.config.server;
    let there = until_done(life, "asking the fan-out what it serves", async || {
        let answer =
            gateway.nats.request(subjects::FANOUT_DESCRIBE, Default::default(), CALLER_DEADLINE).await;
        let answer = answer.map_err(|e| Attempt::Again(e.to_string()))?;
        serde_json::from_slice::<Description>(&answer.payload).map_err(|e| Attempt::Again(e.to_string()))
    });
    match there.await {
        Ok(there) if there.server == *configured => Ok(()),
        Ok(there) => Err(Failure::new(
            Kind::Deployment,
            format!(
                "this deployment was created for the server name {}, not {configured}; start with --server {} (KEZ_CHAT_SERVER)",
                there.server, there.server
            ),
        )),
        Err(_) if life.shutdown.is_cancelled() => Ok(()),
        Err(failure) => Err(failure),
    }
}
