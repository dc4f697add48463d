//! Mail: accepts envelopes, stores them (which pushes them), gives history, deletes. It may not look inside an envelope, and knows of
//! HTTP only what a caller signed.

mod ack;
mod callers;
mod client;
mod config;
mod counts;
mod directory;
mod read;
mod send;
mod senders;
mod store;
mod streams;
mod tokens;

use std::{sync::Arc, time::Duration};

pub use config::{Args, Config};
use kez_kit::{
    Failure, Life, Nats,
    limits::{self, Ordered},
    nats::NatsArgs,
    responder::Responder,
    service::{self, Service},
};
use kez_proto::{
    Deployment,
    limits::PAGE_MAX,
    limits_order::Limit,
    server::{Description, MailLimits},
    subjects::{self, Role},
};

use serde_json::json;

use crate::{
    client::Clients, counts::Counts, directory::Directory, senders::Senders, store::Store, tokens::Tokens,
};

/// What every request of this service is answered from.
struct Fanout {
    deployment: Deployment,
    config: Config,
    directory: Directory,
    tokens: Tokens,
    senders: Senders,
    store: Store,
}

/// Runs until the process stops, with a connection as the fan-out and one as the fan-out that answers clients.
pub async fn run(
    config: Config,
    nats_args: &NatsArgs,
    clients_args: &NatsArgs,
    life: Life,
    drain: Duration,
) -> Result<(), Failure> {
    let gate = life.ready.gate("fanout-service");
    let role = Role::Fanout;
    let nats = Nats::connect(nats_args, role.name(), &role.inbox_prefix(), 65_536, &life).await?;
    let directory = Directory::follow(&nats).await?;
    let ordered = Ordered::follow(&nats).await?;
    let counts = Counts::new(&life.metrics);
    while !life.shutdown.is_cancelled() {
        let deployment = streams::ensure(&config, &nats, &life).await?;
        let fanout = Arc::new(Fanout {
            store: Store::new(&nats, &deployment, !config.duplicate_window.is_zero(), counts.clone()),
            directory: directory.clone(),
            tokens: Tokens::new(&nats, &deployment.server),
            senders: Senders::new(&config, &nats, &ordered),
            deployment: deployment.clone(),
            config: config.clone(),
        });
        let service = serve(&nats, &fanout).await?;
        // An answer on the same connection shows that NATS has the subscriptions: ready means that a request finds them.
        streams::deployment(&nats, &life).await?;
        let endpoints = Clients::new(fanout, &ordered).endpoints();
        let role = Role::FanoutClients.name();
        let clients = Responder::start(clients_args, role, "fanout", endpoints, &life).await?;
        gate.open();

        tokio::select! {
            () = life.shutdown.cancelled() => gate.close("stopping"),
            // Cursors and limits that are known are those of another store.
            () = streams::replaced(&nats, &deployment) => gate.close("the deployment was replaced"),
        }
        tokio::join!(service.stop(drain), clients.stop(drain));
        directory.forget();
    }
    Ok(())
}

async fn serve(nats: &Nats, fanout: &Arc<Fanout>) -> Result<Service, Failure> {
    let epoch = fanout.deployment.epoch.clone();
    let data = move || json!({"epoch": epoch});
    let flags = limits::metadata([
        (Limit::Sender, fanout.config.limit_sender),
        (Limit::ClientRequests, fanout.config.limit_client_requests),
    ]);
    let description = "mail: store, push, history";
    let service = Service::telling(nats, "kez-fanout", description, flags, data).await?;
    macro_rules! endpoint {
        ($subject:expr, $handler:expr) => {{
            let fanout = fanout.clone();
            service
                .endpoint($subject, move |call: service::Call| {
                    let fanout = fanout.clone();
                    async move { $handler(&fanout, call).await }
                })
                .await?;
        }};
    }
    endpoint!(subjects::FANOUT_SEND, send::send);
    endpoint!(subjects::FANOUT_OPEN, read::open);
    endpoint!(subjects::FANOUT_HISTORY, read::history);
    endpoint!(subjects::FANOUT_HEADS, read::heads);
    endpoint!(subjects::FANOUT_ACK, ack::ack);
    endpoint!(subjects::FANOUT_DESCRIBE, async |fanout: &Fanout, _| service::encode(&fanout.describe()));
    Ok(service)
}

impl Fanout {
    fn describe(&self) -> Description {
        let config = &self.config;
        Description {
            server: self.deployment.server.clone(),
            epoch: self.deployment.epoch.clone(),
            limits: MailLimits {
                envelope_bytes: config.envelope_bytes,
                page_messages: PAGE_MAX,
                inbox_messages: config.inbox_messages,
                mail_days: config.mail_days,
                duplicate_window_seconds: config.duplicate_window.as_secs(),
            },
        }
    }
}

/// This service's clock.
fn now() -> kez_proto::Timestamp {
    time::OffsetDateTime::now_utc().into()
}
