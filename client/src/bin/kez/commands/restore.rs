//! `kez restore`: a backup becomes a deployment again, in a NATS that has none.

use std::path::PathBuf;

use clap::Args;
use kez_proto::{Deployment, deployment::RESTORING, limits::PARTITIONS_MAX, subjects};
use serde_json::json;

use super::backup::{self, Backup, Manifest};
use crate::{
    context::Context,
    failure::Failure,
    operator::{Operator, OperatorFlags, Stream, streams_of},
    progress::Progress,
};

pub const EXAMPLES: &str = "\
Only nats-server may run: no service, and nothing in it yet. Every message keeps its sequence. The deployment gets a new epoch, by which clients find out that
they have to begin anew. Start the services when it is done.

Examples:
  kez restore /var/backups/kez/2026-11-22 --nats-url tls://nats.example.org --nkey /etc/kez/nats/keys/operator.nk
  kez restore /var/backups/kez/2026-11-22 --replicas 1    that of a cluster, to a single nats-server
  kez restore --verify /var/backups/kez/2026-11-22        every file as it was written? Needs no server";

#[derive(Args)]
pub struct RestoreArgs {
    /// Folder of the backup
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Restore nothing: look whether every file is as it was written
    #[arg(long)]
    verify: bool,
    /// Copies of every stream over the NATS cluster: 1, 3 or 5 [default: as it was]
    #[arg(long, value_name = "COUNT", value_parser = replicas)]
    replicas: Option<u8>,
    #[command(flatten)]
    operator: OperatorFlags,
}

pub async fn run(context: &Context, args: &RestoreArgs) -> Result<(), Failure> {
    let backup = backup::verify(context, &args.dir)?;
    if args.verify {
        return backup::found_whole(context, &backup);
    }
    let operator = Operator::connect(&args.operator).await?;
    nobody_serves(&operator).await?;
    clear(&operator).await?;
    let epoch = new_epoch()?;
    if let Err(failure) = fill(context, &operator, &backup, args, &epoch).await {
        // As if nothing had been done; what can't be taken away now is by the next attempt.
        let _ = clear(&operator).await;
        return Err(failure);
    }
    let Manifest { server, epoch: before, began_at, .. } = &backup.manifest;
    let human = format!(
        "{server} is as it was at {began_at}; its epoch is {epoch} (it was {before}). Start the services; clients begin anew"
    );
    context.out.result(&human, &json!({"server": server, "epoch": epoch, "epoch_before": before}))?;
    Ok(())
}

/// A service would make streams of its own, or go on with what it knows of those before.
async fn nobody_serves(operator: &Operator) -> Result<(), Failure> {
    let mut names: Vec<_> = operator.running().await?.into_iter().map(|service| service.name).collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "{} answer: stop every service, and let nats-server run alone",
        names.join(", ")
    )))
}

/// Deletes what holds nothing: the streams of services that were started and stopped again, and those of a restore that was cut off. Refuses where
/// there is anything else, and then changes nothing.
async fn clear(operator: &Operator) -> Result<(), Failure> {
    let mut found = vec![];
    for name in streams_of(PARTITIONS_MAX) {
        if let Some(stream) = operator.stream(&name).await? {
            found.push((name, stream));
        }
    }
    let registry = found.iter().find(|(name, _)| name == subjects::REGISTRY_STREAM);
    let epoch = registry.and_then(|(_, stream)| stream.deployment()).map(|deployment| deployment.epoch);
    // A restore that was completed left its mark too, and its epoch in the registry's stream.
    let is_cut_off =
        |stream: &Stream| stream.metadata().get(RESTORING).is_some_and(|of| Some(of) != epoch.as_ref());
    for (name, Stream { state, .. }) in found.iter().filter(|(_, stream)| !is_cut_off(stream)) {
        // The log's first entry is the deployment's name.
        let nothing = u64::from(name == subjects::REGISTRY_STREAM);
        if state.messages > nothing {
            return Err(Failure::refused(format!(
                "this NATS isn't empty: {name} holds {} messages. Restore into a new nats-server, or one whose data folder was moved away",
                state.messages
            )));
        }
    }
    for (name, _) in found {
        operator.delete(&name).await?;
    }
    Ok(())
}

/// Until the registry's stream says whose it is, which comes last, there is no deployment.
async fn fill(
    context: &Context,
    operator: &Operator,
    backup: &Backup,
    args: &RestoreArgs,
    epoch: &str,
) -> Result<(), Failure> {
    let mut registry = None;
    for part in &backup.manifest.streams {
        let name = &part.stream;
        let mut about = backup.stream(name)?;
        let config = &mut about["config"];
        config["metadata"] = json!({RESTORING: epoch});
        if let Some(replicas) = args.replicas {
            config["num_replicas"] = json!(replicas);
        }
        let mut progress = Progress::new(&context.out, format!("restoring {name}"));
        let snapshot = backup.snapshot(name)?;
        operator.give(name, &about["config"], &about["state"], &mut progress, snapshot).await?;
        let last = operator.stream(name).await?.map_or(0, |stream| stream.state.last_seq);
        if last < part.last_sequence {
            return Err(Failure::refused(format!(
                "{name} ends at {last}, and in the backup at {}: nats-server didn't take all of it",
                part.last_sequence
            )));
        }
        if name == subjects::REGISTRY_STREAM {
            registry = Some(about["config"].take());
        }
    }
    let mut registry = registry.unwrap_or_default();
    let Manifest { server, partitions, .. } = backup.manifest.clone();
    registry["metadata"] = json!(Deployment { server, epoch: epoch.to_owned(), partitions }.to_metadata());
    operator.update(subjects::REGISTRY_STREAM, &registry).await
}

fn new_epoch() -> Result<String, Failure> {
    Ok(format!("{:016x}", getrandom::u64()?))
}

fn replicas(text: &str) -> Result<u8, String> {
    text.parse().ok().filter(|n| [1, 3, 5].contains(n)).ok_or_else(|| "NATS keeps 1, 3 or 5 copies".into())
}
