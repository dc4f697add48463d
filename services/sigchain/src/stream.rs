//! The stream of all chains: made once, whoever comes first.

use std::time::Duration;

use async_nats::jetstream::{
    ErrorCode,
    context::CreateStreamErrorKind,
    stream::{Config, DiscardPolicy},
};
use kez_kit::{
    Failure, Kind, Life, Nats,
    retry::{Attempt, until_done},
};
use kez_proto::subjects;

use crate::Args;

/// JetStream's own word.
const NO_LIMIT: i64 = -1;

/// Waits for JetStream, and for the stream.
pub async fn ensure(nats: &Nats, args: &Args, life: &Life) -> Result<(), Failure> {
    let replicas = args.replicas;
    let bytes = i64::try_from(args.room.sigchain_bytes).ok().filter(|bytes| *bytes > 0).unwrap_or(NO_LIMIT);
    until_done(life, "opening the identity logs", async || {
        let mut made = nats.jetstream.create_stream(stream(replicas, bytes)).await;
        // A NATS that has less room than that is taken as it is, and bounded by its own limit.
        if made.as_ref().is_err_and(|e| has_less_room(e.kind())) {
            made = nats.jetstream.create_stream(stream(replicas, NO_LIMIT)).await;
        }
        let Err(e) = made else { return Ok(()) };
        let CreateStreamErrorKind::JetStream(refusal) = e.kind() else {
            return Err(Attempt::Again(format!("JetStream doesn't answer: {e}")));
        };
        match refusal.error_code() {
            // It was made with another number of copies, which isn't changed here.
            ErrorCode::STREAM_NAME_EXIST => Ok(()),
            ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED => Err(Attempt::Fail(Failure::new(
                Kind::Configuration,
                format!("this NATS isn't a cluster and can't keep {replicas} copies; give --replicas 1"),
            ))),
            _ => Err(Attempt::Again(e.to_string())),
        }
    })
    .await
}

fn has_less_room(kind: CreateStreamErrorKind) -> bool {
    let CreateStreamErrorKind::JetStream(refusal) = kind else { return false };
    matches!(refusal.error_code(), ErrorCode::STORAGE_RESOURCES_EXCEEDED | ErrorCode::INSUFFICIENT_RESOURCES)
}

fn stream(replicas: usize, bytes: i64) -> Config {
    Config {
        name: subjects::SIGCHAIN_STREAM.into(),
        description: Some("identity logs: every signed event, for ever".into()),
        subjects: vec![subjects::SIGCHAIN_LOGS.into()],
        max_messages: -1,
        max_messages_per_subject: -1,
        max_bytes: bytes,
        max_consumers: -1,
        discard: DiscardPolicy::New,
        // Events carry no message id; a window costs memory.
        duplicate_window: Duration::from_millis(100),
        num_replicas: replicas,
        allow_direct: true,
        // A rotation and what leads from the new key to its chain are one.
        allow_atomic_publish: true,
        deny_delete: true,
        deny_purge: true,
        ..Default::default()
    }
}
