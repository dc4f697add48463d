//! `kez backup`: a copy of all streams of a deployment, in a folder that appears whole or not at all.

mod folder;
mod manifest;
mod verify;

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use clap::Args;
use kez_proto::{Deployment, subjects};
use serde_json::json;

use self::{
    folder::Unfinished,
    manifest::{FORMAT, Part},
};
pub use self::{manifest::Manifest, verify::verify};
use crate::{
    context::Context,
    failure::Failure,
    operator::{Operator, OperatorFlags, streams_of},
    progress::{Progress, size},
};

pub const EXAMPLES: &str = "\
Services go on meanwhile. Everything that was acknowledged before it began is in it. Mail is copied first, then who has which handle, then the identity
logs. Mail is sealed; who has which handle, and who gets how much mail, isn't: keep it where nobody else reads it. Keys aren't in it.

Examples:
  kez backup /var/backups/kez/2026-11-22
  kez backup /var/backups/kez/2026-11-22 --nats-url tls://nats.example.org --nkey /etc/kez/nats/keys/operator.nk
  kez backup --verify /var/backups/kez/2026-11-22    every file as it was written? Needs no server";

#[derive(Args)]
pub struct BackupArgs {
    /// Folder of the backup; it mustn't be there yet
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Look at a backup that is there: every file must be as it was written
    #[arg(long)]
    verify: bool,
    #[command(flatten)]
    operator: OperatorFlags,
}

/// A backup whose files were all found as they were written.
pub struct Backup {
    pub dir: PathBuf,
    pub manifest: Manifest,
}

pub async fn run(context: &Context, args: &BackupArgs) -> Result<(), Failure> {
    if args.verify {
        return found_whole(context, &verify(context, &args.dir)?);
    }
    let copying = copy(context, args);
    let interrupted = async {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Failure::refused("it was interrupted: there is no backup"),
            Err(e) => Failure::refused(e),
        }
    };
    // Whatever was written until then goes with it.
    let manifest = tokio::select! {
        copied = copying => copied?,
        interrupted = interrupted => return Err(interrupted),
    };
    report(context, &args.dir, &manifest, "complete")
}

async fn copy(context: &Context, args: &BackupArgs) -> Result<Manifest, Failure> {
    let mut folder = Unfinished::beside(&args.dir)?;
    let operator = Operator::connect(&args.operator).await?;
    let began_at = kez_client::now();
    let Deployment { server, epoch, partitions } = operator.deployment().await?;
    let mut parts = vec![];
    for name in streams_of(partitions) {
        // The service that keeps identity logs may never have run.
        if name == subjects::SIGCHAIN_STREAM && operator.stream(&name).await?.is_none() {
            continue;
        }
        let mut progress = Progress::new(&context.out, format!("copying {name}"));
        let mut snapshot = folder.create(&Part::snapshot_name(&name))?;
        let stream = operator.take(&name, &mut progress, |part| snapshot.write(part)).await?;
        let snapshot = progress.during(snapshot.finish()).await?;
        let about = serde_json::to_vec_pretty(&json!({"config": stream.config, "state": stream.state}))
            .map_err(Failure::refused)?;
        let mut configuration = folder.create(&Part::stream_name(&name))?;
        configuration.write(&about)?;
        parts.push(Part {
            stream: name,
            messages: stream.state.messages,
            bytes: stream.state.bytes,
            first_sequence: stream.state.first_seq,
            last_sequence: stream.state.last_seq,
            files: [configuration.finish().await?, snapshot],
        });
    }
    if operator.deployment().await?.epoch != epoch {
        return Err(Failure::refused("the deployment was replaced while it was copied: there is no backup"));
    }
    let manifest = Manifest {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").into(),
        server,
        epoch,
        partitions,
        began_at,
        ended_at: kez_client::now(),
        streams: parts,
    };
    manifest.write(&mut folder).await?;
    folder.appear(&args.dir)?;
    Ok(manifest)
}

/// Tells of a backup that was looked at.
pub fn found_whole(context: &Context, backup: &Backup) -> Result<(), Failure> {
    report(context, &backup.dir, &backup.manifest, "every file is as it was written")
}

fn report(context: &Context, dir: &Path, manifest: &Manifest, state: &str) -> Result<(), Failure> {
    let Manifest { server, epoch, began_at, streams, .. } = manifest;
    let bytes = streams.iter().flat_map(|part| &part.files).map(|file| file.bytes).sum();
    let human = format!(
        "{}: {state}; {server}, epoch {epoch}, of {began_at}; {} messages, {} entries of handles and {} of identity logs; {}",
        dir.display(),
        manifest.mail(),
        manifest.messages_in(subjects::REGISTRY_STREAM),
        manifest.messages_in(subjects::SIGCHAIN_STREAM),
        size(bytes)
    );
    let program = json!({"backup": dir, "manifest": manifest});
    Ok(context.out.result(&kez_client::text::line(&human), &program)?)
}

impl Backup {
    /// What describes a stream: its configuration and what it held.
    pub fn stream(&self, name: &str) -> Result<serde_json::Value, Failure> {
        let path = self.dir.join(Part::stream_name(name));
        let text = std::fs::read(&path).map_err(|e| unreadable(&path, &e))?;
        serde_json::from_slice(&text).map_err(|e| unreadable(&path, &e))
    }

    /// What a stream held.
    pub fn snapshot(&self, name: &str) -> Result<impl Read + use<>, Failure> {
        let path = self.dir.join(Part::snapshot_name(name));
        std::fs::File::open(&path).map_err(|e| unreadable(&path, &e))
    }
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::refused(format!("can't read {}: {error}", path.display()))
}
