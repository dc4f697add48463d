//! The public door. Each route is one NATS request, and a stream is one subscription and one `open`. It may not have a database, speak to
//! JetStream, check a signature, or know a rule about handles or mail.

mod ask;
mod caller;
mod config;
mod handlers;
mod page;
mod rate;
mod refusal;
mod router;
mod stream;

use std::{net::TcpListener, sync::Arc, time::Duration};

pub use config::{Args, Config};
use kez_kit::{
    Failure, Kind, Life, Nats, http,
    nats::NatsArgs,
    retry::{Attempt, until_done},
};
use kez_proto::{limits::CALLER_DEADLINE, server::Description, subjects, subjects::Role};

use crate::{rate::Rates, stream::Streams};

/// Live messages that may wait in one stream's subscription between two turns of its feed; what overflows is found by its gap.
const SUBSCRIPTION_CAPACITY: usize = 64;

/// What every request is answered from.
struct Gateway {
    config: Config,
    nats: Nats,
    rates: Rates,
    streams: Streams,
}

/// Opens the public listener, so that a port in use is told before anything else starts.
pub fn bind(config: &Config) -> Result<TcpListener, Failure> {
    http::bind(config.bind, "--bind (KEZ_CHAT_BIND)")
}

/// Serves `listener` until the process stops; announces its address as `http`.
pub async fn run(
    config: Config,
    listener: TcpListener,
    nats: &NatsArgs,
    life: Life,
    drain: Duration,
) -> Result<(), Failure> {
    let gate = life.ready.gate("gateway-service");
    let role = Role::Gateway;
    let nats = Nats::connect(nats, role.name(), &role.inbox_prefix(), SUBSCRIPTION_CAPACITY, &life).await?;
    let addr = listener.local_addr().map_err(Failure::internal)?;
    life.announce("http", format!("http://{addr}"));
    tracing::info!(%addr, "public listener");

    let streams = Streams::start(&nats, &life, drain);
    let gateway = Arc::new(Gateway { rates: Rates::start(&config), streams, nats, config });
    let router = router::router(gateway.clone());
    let serve = http::serve(listener, router, life.shutdown.clone(), drain);
    let check = async {
        check_deployment(&gateway, &life).await?;
        gate.open();
        life.shutdown.cancelled().await;
        gate.close("stopping");
        Ok(())
    };
    tokio::try_join!(serve, check).map(drop)
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
