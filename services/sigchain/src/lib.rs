//! Identity logs: a person's chain of signed events, which outlives their keys and, copied, this server.
//!
//! An event is appended by compare-and-set on its chain's subject, so that of two that race for one place one wins and the other is told. The rules are
//! those of [`kez_proto::identity`]; nothing is stored that they refuse. This crate may not know a message, an inbox or HTTP.

use std::time::Duration;

use kez_kit::{Failure, Life, Nats, nats::NatsArgs, service::Service};
use kez_proto::subjects::{self, Role};

mod chains;
mod desk;
mod handles;
mod store;
mod stream;

use desk::Desk;

/// Answers that may wait in one subscription before some are dropped.
const CAPACITY: usize = 16 * 1024;

/// The flags of `kez-sigchain`.
#[derive(clap::Args, Clone, Debug)]
#[group(id = "sigchain")]
pub struct Args {
    /// Copies of each identity log over the NATS cluster: 1, 3 or 5. Counts when the first instance starts.
    #[arg(long, env = "KEZ_CHAT_REPLICAS", value_name = "COUNT", default_value = "1", value_parser = replicas)]
    pub replicas: usize,
    /// How much is kept.
    #[command(flatten)]
    pub room: Room,
}

/// How much is kept.
#[derive(clap::Args, Clone, Debug)]
#[group(id = "sigchain-room")]
pub struct Room {
    /// Bytes of all identity logs together, per replica: they are kept for ever, and anybody may begin one. Full, they take no more events (storage_full).
    /// 0: no limit but NATS's own, as where NATS has less room. Counts when the first instance starts.
    #[arg(long, env = "KEZ_CHAT_SIGCHAIN_BYTES", value_name = "BYTES", default_value_t = 4 << 30)]
    pub sigchain_bytes: u64,
}

/// Runs one instance until the process stops or it can't go on.
pub async fn run(args: Args, nats_args: &NatsArgs, life: Life, drain: Duration) -> Result<(), Failure> {
    let gate = life.ready.gate("sigchain-service");
    let role = Role::Sigchain;
    let inbox_prefix = role.inbox_prefix();
    let nats = tokio::select! {
        biased;
        () = life.shutdown.cancelled() => return Ok(()),
        nats = Nats::connect(nats_args, role.name(), &inbox_prefix, CAPACITY, &life) => nats?,
    };
    match stream::ensure(&nats, &args, &life).await {
        Err(_) if life.shutdown.is_cancelled() => return Ok(()),
        outcome => outcome?,
    }
    let desk = Desk::new(&nats, &life);
    let service = serve(&nats, desk.clone()).await?;
    // An answer on the same connection shows that NATS has the subscriptions: ready means that a request finds them.
    stream::ensure(&nats, &args, &life).await?;
    gate.open();
    let mut connections = nats.connections();
    loop {
        tokio::select! {
            () = life.shutdown.cancelled() => break,
            // While NATS was away its store may have been restored from a backup, where chains end earlier.
            Ok(()) = connections.changed() => desk.forget(),
        }
    }
    gate.close("stopping");
    service.stop(drain).await;
    Ok(())
}

async fn serve(nats: &Nats, desk: Desk) -> Result<Service, Failure> {
    let service = Service::start(nats, "kez-sigchain", "keeps identity logs").await?;
    let at = desk.clone();
    service.endpoint(subjects::SIGCHAIN_APPEND, move |call| at.clone().append(call.payload)).await?;
    let at = desk.clone();
    service.endpoint(subjects::SIGCHAIN_GET, move |call| at.clone().get(call.payload)).await?;
    service.endpoint(subjects::SIGCHAIN_HEAD, move |call| desk.clone().head(call.payload)).await?;
    Ok(service)
}

fn replicas(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| [1, 3, 5].contains(n)).ok_or_else(|| "NATS keeps 1, 3 or 5 copies".into())
}
