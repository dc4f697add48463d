//! The operator's own connection to NATS, in the services' account: what `kez backup`, `kez restore` and `kez admin` ask with.

mod services;
mod snapshot;
mod streams;

use std::{path::PathBuf, time::Duration};

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event};
use kez_client::Identity;
use kez_proto::{
    Deployment,
    subjects::{self, Role},
};
use tokio::sync::watch;

pub use self::{
    services::Instance,
    streams::{Stream, streams_of},
};
use crate::failure::Failure;

/// To connect, to each address that doesn't answer.
const CONNECT: Duration = Duration::from_secs(5);
/// For an answer of JetStream that takes no work.
const ANSWER: Duration = Duration::from_secs(10);
/// Parts of a snapshot that wait to be written: nats-server sends no more than 8 MiB that it wasn't told of.
const WAITING: usize = 1024;

#[derive(clap::Args)]
pub struct OperatorFlags {
    /// NATS servers of the deployment, separated by commas
    #[arg(
        long,
        env = "KEZ_CHAT_NATS_URL",
        value_name = "URL",
        value_delimiter = ',',
        default_value = "nats://127.0.0.1:4222",
        hide_env_values = true
    )]
    nats_url: Vec<String>,
    /// The operator's seed, made by kez nats init or by kez-chat-server: for you alone to read
    #[arg(
        long,
        env = "KEZ_CHAT_OPERATOR_NKEY",
        value_name = "FILE",
        default_value = "kez-chat.db/nats/keys/operator.nk",
        hide_env_values = true
    )]
    nkey: PathBuf,
    /// File with the certificates (PEM) of the authority behind NATS's TLS [default: those that this system trusts]
    #[arg(long, env = "KEZ_CHAT_NATS_CA", value_name = "FILE", hide_env_values = true)]
    nats_ca: Option<PathBuf>,
}

/// The operator, connected.
pub struct Operator {
    /// The operator's key: of their nkey, and of their orders.
    pub identity: Identity,
    client: Client,
    /// Whether the connection was lost: what was under way is never answered.
    lost: watch::Receiver<bool>,
}

impl Operator {
    /// Connects with the operator's key.
    pub async fn connect(flags: &OperatorFlags) -> Result<Self, Failure> {
        // One provider for the process; somebody else may have set it before, and that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let seed = kez_nats::read_seed(&flags.nkey).map_err(|e| {
            Failure::refused(format!("{}; name the operator's seed with --nkey", e.with_cause()))
        })?;
        let (_, key) = nkeys::decode_seed(&seed).map_err(|e| {
            Failure::refused(format!("{} holds no nkey seed (SU…): {e}", flags.nkey.display()))
        })?;
        let identity = Identity::from_seed(&key);
        let role = Role::Operator;
        let (sender, lost) = watch::channel(false);
        let mut options = ConnectOptions::with_nkey(seed)
            .name(role.name())
            .custom_inbox_prefix(role.inbox_prefix())
            .connection_timeout(CONNECT)
            .request_timeout(Some(ANSWER))
            .subscription_capacity(WAITING)
            .event_callback(move |event| {
                if matches!(event, Event::Disconnected | Event::Closed) {
                    sender.send_replace(true);
                }
                async {}
            });
        if let Some(file) = &flags.nats_ca {
            options = options.add_root_certificates(file.clone());
        }
        let urls = flags.nats_url.join(",");
        let client = options.connect(&flags.nats_url).await.map_err(|e| match e.kind() {
            ConnectErrorKind::AuthorizationViolation => Failure::refused(format!(
                "{urls} doesn't know the key in {}: is it this deployment's? An older configuration of nats-server lacks it: kez nats init writes it anew",
                flags.nkey.display()
            )),
            _ => Failure::refused(format!("can't reach NATS at {urls}: {e}; name its address with --nats-url")),
        })?;
        Ok(Self { identity, client, lost })
    }

    /// What the deployment fixed.
    pub async fn deployment(&self) -> Result<Deployment, Failure> {
        let registry = self.stream(subjects::REGISTRY_STREAM).await?;
        let none = || Failure::refused("there is no deployment in this NATS: no registry has created it");
        let foreign =
            || Failure::refused(format!("the stream {} isn't of Kez Chat", subjects::REGISTRY_STREAM));
        registry.ok_or_else(none)?.deployment().ok_or_else(foreign)
    }

    /// Waits for what may take long, unless the connection is lost.
    async fn unless_lost<T>(&self, waiting: impl Future<Output = T>) -> Result<T, Failure> {
        let mut lost = self.lost.clone();
        tokio::select! {
            biased;
            done = waiting => Ok(done),
            _ = lost.wait_for(|lost| *lost) => Err(Failure::refused("the connection to NATS was lost")),
        }
    }
}
