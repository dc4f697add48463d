//! Mail: accepts envelopes, stores them (which pushes them), gives history, deletes. It may not look inside an envelope, and knows of
//! HTTP only what a caller signed.

mod ack;
mod callers;
mod client;
mod config;
mod directory;
mod read;
mod send;
mod senders;
mod store;
mod streams;
mod tokens;

use std::{sync::Arc, time::Duration};

pub use config::{Args, Config};
use kez_kit::{Failure, Life, Nats, nats::NatsArgs, service, service::Service};
use kez_proto::{
    Code, Deployment, limits,
    server::{Description, MailLimits},
    subjects::{self, Role},
};
use tokio::time::timeout;

use crate::{directory::Directory, senders::Senders, store::Store, tokens::Tokens};

/// Requests of clients that may wait in one subscription before some are dropped: of 300 KiB each, at most.
const CLIENTS_CAPACITY: usize = 1024;

/// What every request of this service is answered from.
struct Fanout {
    deployment: Deployment,
    config: Config,
    directory: Directory,
    tokens: Tokens,
    senders: Senders,
    store: Store,
}

/// Runs until the process stops.
pub async fn run(config: Config, nats_args: &NatsArgs, life: Life, drain: Duration) -> Result<(), Failure> {
    let gate = life.ready.gate("fanout-service");
    let role = Role::Fanout;
    let nats = Nats::connect(nats_args, role.name(), &role.inbox_prefix(), 65_536, &life).await?;
    let deployment = streams::ensure(&config, &nats, &life).await?;
    let fanout = Arc::new(Fanout {
        store: Store::new(&nats, &deployment, !config.duplicate_window.is_zero()),
        directory: Directory::follow(&nats).await?,
        tokens: Tokens::new(&nats, &deployment.server),
        senders: Senders::new(&config),
        deployment,
        config,
    });

    let service = Service::start(&nats, "kez-fanout", "mail: store, push, history").await?;
    // A connection of their own: what a client sends may end it (a header block that the library can't read does), and that must not be the end of others'
    // requests.
    let clients =
        Nats::connect(nats_args, "fanout-clients", &role.inbox_prefix(), CLIENTS_CAPACITY, &life.aside())
            .await?;
    let client_service =
        Service::start(&clients, "kez-fanout-clients", "mail, for clients over NATS").await?;
    macro_rules! endpoint {
        ($service:expr, $subject:expr, $handler:expr) => {{
            let fanout = fanout.clone();
            $service
                .endpoint($subject, move |call: service::Call| {
                    let fanout = fanout.clone();
                    async move { $handler(&fanout, call).await }
                })
                .await?;
        }};
    }
    // Between a client and the fan-out nobody else sees to it that there is an answer in time.
    macro_rules! in_time {
        ($handler:expr) => {
            async |fanout: &Fanout, call| {
                timeout(limits::CALLER_DEADLINE, $handler(fanout, call))
                    .await
                    .unwrap_or_else(|_| Err(Code::Unavailable.into()))
            }
        };
    }
    endpoint!(service, subjects::FANOUT_SEND, send::send);
    endpoint!(service, subjects::FANOUT_OPEN, read::open);
    endpoint!(service, subjects::FANOUT_HISTORY, read::history);
    endpoint!(service, subjects::FANOUT_HEADS, read::heads);
    endpoint!(service, subjects::FANOUT_ACK, ack::ack);
    endpoint!(client_service, subjects::CLIENT_SEND, in_time!(client::send));
    endpoint!(client_service, subjects::CLIENT_HISTORY, in_time!(client::history));
    endpoint!(client_service, subjects::CLIENT_ACK, in_time!(client::ack));
    endpoint!(service, subjects::FANOUT_DESCRIBE, async |fanout: &Fanout, _| service::encode(
        &fanout.describe()
    ));
    // An answer on the same connection shows that NATS has the subscriptions: ready means that a request finds them.
    streams::deployment(&nats, &life).await?;
    streams::deployment(&clients, &life).await?;
    gate.open();

    life.shutdown.cancelled().await;
    gate.close("stopping");
    tokio::join!(service.stop(drain), client_service.stop(drain));
    Ok(())
}

impl Fanout {
    fn describe(&self) -> Description {
        let config = &self.config;
        Description {
            server: self.deployment.server.clone(),
            epoch: self.deployment.epoch.clone(),
            limits: MailLimits {
                envelope_bytes: config.envelope_bytes,
                page_messages: limits::PAGE_MAX,
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
