//! The inbox streams: created once, and brought to the configured limits at every start.

use std::time::Duration;

use async_nats::jetstream::{
    ErrorCode,
    context::{CreateStreamError, CreateStreamErrorKind, GetStreamErrorKind},
    stream::{Config as StreamConfig, DiscardPolicy, Republish, StorageType},
};
use futures_util::StreamExt;
use kez_kit::{
    Failure, Kind, Life, Nats,
    retry::{Attempt, until_done},
};
use kez_proto::{
    Deployment, deployment,
    limits::STORE_BYTES,
    subjects::{self, Span},
};
use tokio::time::timeout;

use crate::Config;

/// How often it is looked whether the deployment is still the same.
const LOOK: Duration = Duration::from_secs(5);
/// Of the counters of one span, in memory; some 150 bytes each. The oldest give way.
const COUNTS_BYTES: i64 = 64 << 20;

/// Waits for the deployment, which a registry creates, and makes its inbox streams what the configuration says.
pub async fn ensure(config: &Config, nats: &Nats, life: &Life) -> Result<Deployment, Failure> {
    let deployment = deployment(nats, life).await?;
    let bytes = config.store_bytes.unwrap_or(STORE_BYTES);
    match ensure_all(config, bytes, deployment.partitions, nats, life).await {
        // NATS sets a limit's bytes aside, which is no reason to refuse to start on a smaller disk if nobody asked for them.
        Err(failure) if failure.kind == Kind::Disk && config.store_bytes.is_none() => {
            tracing::warn!(
                "NATS has less storage than {STORE_BYTES} bytes: mail is bounded by NATS's own limit; --store-bytes sets a lower one"
            );
            ensure_all(config, 0, deployment.partitions, nats, life).await?;
        }
        outcome => outcome?,
    }
    for span in Span::ALL {
        until_done(life, "creating the counters of limits", async || {
            match nats.jetstream.create_stream(counts(span)).await {
                Err(e) if jetstream_code(&e) != Some(ErrorCode::STREAM_NAME_EXIST) => Err(attempt(&e)),
                _ => Ok(()),
            }
        })
        .await?;
    }
    Ok(deployment)
}

/// Counters of limits: in the memory of one nats-server, as nothing is lost with them but the count.
fn counts(span: Span) -> StreamConfig {
    StreamConfig {
        name: span.stream().into(),
        description: Some("counters of limits".into()),
        subjects: vec![span.counts()],
        storage: StorageType::Memory,
        allow_message_counter: true,
        max_messages: -1,
        max_messages_per_subject: 1,
        max_bytes: COUNTS_BYTES,
        max_age: Duration::from_secs(2 * u64::from(span.seconds())),
        discard: DiscardPolicy::Old,
        max_consumers: -1,
        ..Default::default()
    }
}

async fn ensure_all(
    config: &Config,
    bytes: u64,
    partitions: u16,
    nats: &Nats,
    life: &Life,
) -> Result<(), Failure> {
    // Less than a byte each is still a limit.
    let bytes = bytes.div_ceil(u64::from(partitions));
    for p in 0..partitions {
        let wanted = stream(config, p, bytes);
        until_done(life, "creating the inbox streams", async || ensure_stream(nats, &wanted).await).await?;
    }
    Ok(())
}

/// Reads the deployment as soon as there is one.
pub async fn deployment(nats: &Nats, life: &Life) -> Result<Deployment, Failure> {
    until_done(life, "reading the deployment", || read_deployment(nats)).await
}

/// Resolves when this deployment isn't the one in NATS any more: it was restored from a backup, or made anew.
pub async fn replaced(nats: &Nats, deployment: &Deployment) {
    let mut connections = nats.connections();
    loop {
        // While NATS was away, anything may have happened to its streams.
        let _ = timeout(LOOK, connections.changed()).await;
        match read_deployment(nats).await {
            Ok(found) if found != *deployment => {
                tracing::warn!(epoch = found.epoch, before = deployment.epoch, "the deployment was replaced");
                return;
            }
            _ => {}
        }
    }
}

async fn read_deployment(nats: &Nats) -> Result<Deployment, Attempt> {
    match nats.jetstream.get_stream(subjects::REGISTRY_STREAM).await {
        Ok(stream) if deployment::is_being_restored(&stream.cached_info().config.metadata) => {
            Err(Attempt::Again("a restore of the deployment isn't complete".into()))
        }
        Ok(stream) => Deployment::from_metadata(&stream.cached_info().config.metadata).ok_or_else(|| {
            let message = format!(
                "the stream {} in this NATS isn't of Kez Chat; give Kez Chat an account of its own",
                subjects::REGISTRY_STREAM
            );
            Attempt::Fail(Failure::new(Kind::Deployment, message))
        }),
        Err(e) if matches!(e.kind(), GetStreamErrorKind::JetStream(_)) => {
            Err(Attempt::Again("no registry has created the deployment yet".into()))
        }
        Err(e) => Err(Attempt::Again(format!("JetStream doesn't answer: {e}"))),
    }
}

fn stream(config: &Config, p: u16, bytes: u64) -> StreamConfig {
    let store = subjects::store_of_partition(p);
    let no_limit = |n: i64| if n == 0 { -1 } else { n };
    StreamConfig {
        name: subjects::inbox_stream(p),
        description: Some("mail of one partition of the handles".into()),
        republish: Some(Republish {
            source: store.clone(),
            destination: subjects::INBOX_FROM_STORE.into(),
            headers_only: false,
        }),
        subjects: vec![store],
        max_messages: -1,
        max_messages_per_subject: no_limit(config.inbox_messages.into()),
        max_bytes: no_limit(bytes as i64),
        max_age: Duration::from_secs(u64::from(config.mail_days) * 86_400),
        // Full means refused, never that older mail vanishes.
        discard: DiscardPolicy::New,
        discard_new_per_subject: config.inbox_messages > 0,
        // NATS takes no less; without a window no message gets an id.
        duplicate_window: config.duplicate_window.max(Duration::from_millis(100)),
        num_replicas: config.replicas,
        allow_direct: true,
        deny_delete: true,
        max_consumers: -1,
        ..Default::default()
    }
}

async fn ensure_stream(nats: &Nats, wanted: &StreamConfig) -> Result<(), Attempt> {
    // The same configuration again is a success; another one is an update.
    match nats.jetstream.create_stream(wanted).await {
        Ok(_) => Ok(()),
        Err(e) if jetstream_code(&e) == Some(ErrorCode::STREAM_NAME_EXIST) => {
            tracing::info!(stream = wanted.name, "applying changed limits");
            let wanted = without_loss(nats, wanted).await?;
            nats.jetstream.update_stream(&wanted).await.map(drop).map_err(|e| attempt(&e))
        }
        Err(e) => Err(attempt(&e)),
    }
}

/// NATS applies a lower limit per inbox by deleting the oldest mail: the limit stays as high as the fullest inbox needs.
async fn without_loss(nats: &Nats, wanted: &StreamConfig) -> Result<StreamConfig, Attempt> {
    let mut wanted = wanted.clone();
    let limit = wanted.max_messages_per_subject;
    if limit < 0 {
        return Ok(wanted);
    }
    let stream = nats.jetstream.get_stream(&wanted.name).await.map_err(|e| Attempt::Again(e.to_string()))?;
    let mut inboxes = stream.info_with_subjects(">").await.map_err(|e| Attempt::Again(e.to_string()))?;
    let mut fullest = 0;
    while let Some(inbox) = inboxes.next().await {
        let (_, messages) = inbox.map_err(|e| Attempt::Again(e.to_string()))?;
        fullest = fullest.max(messages as i64);
    }
    if fullest > limit {
        tracing::warn!(
            stream = wanted.name,
            limit,
            fullest,
            "an inbox holds more than --inbox-messages; its mail is kept, and so is the limit that it needs"
        );
        wanted.max_messages_per_subject = fullest;
    }
    Ok(wanted)
}

fn jetstream_code(e: &CreateStreamError) -> Option<ErrorCode> {
    match e.kind() {
        CreateStreamErrorKind::JetStream(e) => Some(e.error_code()),
        _ => None,
    }
}

fn attempt(e: &CreateStreamError) -> Attempt {
    /// No peers or storage for a replicated stream yet: a cluster that is still forming says so, too.
    const NO_PEERS: u64 = 10005;
    match jetstream_code(e) {
        Some(ErrorCode::STORAGE_RESOURCES_EXCEEDED | ErrorCode::INSUFFICIENT_RESOURCES) => {
            let message = "NATS hasn't enough storage to set aside for mail; free some disk, or lower --store-bytes (KEZ_CHAT_STORE_BYTES)";
            Attempt::Fail(Failure::new(Kind::Disk, message))
        }
        Some(code)
            if code.0 != NO_PEERS
                && matches!(e.kind(), CreateStreamErrorKind::JetStream(ref j) if j.code() == 400) =>
        {
            Attempt::Fail(Failure::new(Kind::Deployment, format!("NATS refused an inbox stream: {e}")))
        }
        _ => Attempt::Again(e.to_string()),
    }
}
