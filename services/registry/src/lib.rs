//! Handles and keys: an ordered log is the truth, sled is its index.
//!
//! Every instance follows the log and applies each entry by the rules in [`kez_proto::registry`], so that all come to the same bindings,
//! whatever raced. This crate may not know a message, an inbox or HTTP.

use std::{sync::Arc, time::Duration};

use kez_kit::{
    Failure, Life, Nats,
    limits::{self, Ordered},
    nats::NatsArgs,
    rate::Rate,
    responder::Responder,
    retry::until_done,
    service::Service,
    task,
};
use kez_proto::{
    limits_order::Limit,
    subjects::{self, Role},
};
use prometheus_client::metrics::gauge::Gauge;
use serde_json::json;
use tokio::sync::watch;

mod admission;
mod client;
mod config;
mod damage;
mod deployment;
mod desk;
mod folder;
mod follow;
mod index;
mod log;
#[cfg(test)]
mod testing;
mod writing;

pub use config::{Args, Config, DEFAULT_SERVER, DeploymentArgs};

use client::Clients;
use desk::Desk;
use folder::Folder;
use follow::Follower;
use index::Index;

/// Requests that may wait in one subscription before some are dropped.
const CAPACITY: usize = 16 * 1024;

/// Runs one instance until the process stops or it can't go on, with a connection as the registry and one as the registry that answers clients.
pub async fn run(
    config: Config,
    nats_args: &NatsArgs,
    clients_args: &NatsArgs,
    life: Life,
    drain: Duration,
) -> Result<(), Failure> {
    let gate = life.ready.gate("registry-index");
    let served = life.ready.gate("registry-service");
    let folder = Folder::lock(&config.index)?;
    let inbox_prefix = Role::Registry.inbox_prefix();
    let nats = tokio::select! {
        biased;
        () = life.shutdown.cancelled() => return Ok(()),
        nats = Nats::connect(nats_args, Role::Registry.name(), &inbox_prefix, CAPACITY, &life) => nats?,
    };
    let (shelf, mut caught_up) = watch::channel(None);
    let desk = Desk {
        nats: nats.clone(),
        config: Arc::new(config.clone()),
        index: shelf.subscribe(),
        newest: Arc::default(),
    };
    let lag = Gauge::<i64>::default();
    life.metrics.register(|registry| {
        let help = "Entries of the registry's log that this index hasn't yet";
        registry.register("kez_registry_index_lag", help, lag.clone());
    });
    let follower = Follower {
        nats: nats.clone(),
        config: config.clone(),
        life: life.clone(),
        folder,
        gate,
        index: shelf.clone(),
        lag,
    };
    let mut follower = task::spawn("registry-follower", follower.run());

    // An instance that hasn't caught up takes no requests: the others answer them.
    let mut services = None;
    let serving = async {
        if caught_up.wait_for(Option::is_some).await.is_ok() {
            let service = serve(&nats, desk.clone()).await?;
            // The library's flush ends at the socket; an answer on the same connection shows that NATS has the subscriptions. Ready means
            // that a request finds them.
            until_done(&life, "serving", || deployment::inspect(&nats, &config)).await?;
            let ordered = Ordered::follow(&nats).await?;
            let rate = Rate::per_minute(ordered.or(Limit::ClientRequests, config.limit_client_requests));
            let endpoints = Clients { desk, rate }.endpoints();
            let role = Role::RegistryClients.name();
            services =
                Some((service, Responder::start(clients_args, role, "registry", endpoints, &life).await?));
            served.open();
        }
        std::future::pending::<Result<(), Failure>>().await
    };
    let outcome = tokio::select! {
        biased;
        () = life.shutdown.cancelled() => Ok(()),
        failure = &mut follower => Err(failure.ok().flatten().unwrap_or_else(|| Failure::internal("the registry's follower panicked"))),
        outcome = serving => outcome,
    };

    served.close("stopping");
    if let Some((service, clients)) = services {
        // The follower goes on, so that registrations under way are answered.
        tokio::join!(service.stop(drain), clients.stop(drain));
    }
    if !follower.is_finished() {
        follower.abort();
        let _ = follower.await;
    }
    let index: Option<Index> = shelf.send_replace(None);
    // What can't be written now is read from the log again.
    if let Some(Err(error)) = index.map(|index| index.flush()) {
        tracing::warn!(%error, "the index can't be written; the next start reads more of the log");
    }
    outcome
}

async fn serve(nats: &Nats, desk: Desk) -> Result<Service, Failure> {
    let index = desk.index.clone();
    let data = move || json!({"applied": index.borrow().as_ref().map(Index::applied)});
    let description = "binds handles to keys, and tells who has which";
    let flags = limits::metadata([(Limit::ClientRequests, desk.config.limit_client_requests)]);
    let service = Service::telling(nats, "kez-registry", description, flags, data).await?;
    let at = desk.clone();
    service.endpoint(subjects::REGISTRY_REGISTER, move |call| at.clone().register(call.payload)).await?;
    let at = desk.clone();
    service.endpoint(subjects::REGISTRY_REBIND, move |call| at.clone().rebind(call.payload)).await?;
    let at = desk.clone();
    service.endpoint(subjects::REGISTRY_RELEASE, move |call| at.clone().release(call.payload)).await?;
    let at = desk.clone();
    service.endpoint(subjects::REGISTRY_ORDER, move |call| at.clone().order(call.payload)).await?;
    let at = desk.clone();
    service.endpoint(subjects::REGISTRY_LIMITS, move |_| at.clone().limits()).await?;
    let at = desk.clone();
    service.endpoint(subjects::REGISTRY_SET_LIMITS, move |call| at.clone().set_limits(call.payload)).await?;
    let at = desk.clone();
    service.endpoint(subjects::REGISTRY_LOOKUP, move |call| at.clone().lookup(call.payload)).await?;
    service
        .endpoint(subjects::REGISTRY_BY_PRIMARY, move |call| desk.clone().by_primary(call.payload))
        .await?;
    Ok(service)
}
