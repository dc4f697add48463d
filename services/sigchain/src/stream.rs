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

/// Waits for JetStream, and for the stream.
pub async fn ensure(nats: &Nats, replicas: usize, life: &Life) -> Result<(), Failure> {
    until_done(life, "opening the identity logs", async || {
        let Err(e) = nats.jetstream.create_stream(stream(replicas)).await else { return Ok(()) };
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

fn stream(replicas: usize) -> Config {
    Config {
        name: subjects::SIGCHAIN_STREAM.into(),
        description: Some("identity logs: every signed event, for ever".into()),
        subjects: vec![subjects::SIGCHAIN_LOGS.into()],
        max_messages: -1,
        max_messages_per_subject: -1,
        max_bytes: -1,
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
