//! The registry's stream: creates the deployment once, whoever comes first, and tells which log this is.

use std::time::Duration;

use async_nats::{
    HeaderMap,
    jetstream::{
        ErrorCode,
        context::{CreateStreamErrorKind, GetStreamErrorKind, PublishErrorKind},
        stream::{Config as StreamConfig, DiscardPolicy, Info, Republish},
    },
};
use kez_kit::{
    Failure, Kind, Life, Nats,
    retry::{Attempt, until_done},
};
use kez_proto::{
    Deployment,
    deployment::is_being_restored,
    headers, limits,
    registry::{Entry, RULES},
    subjects,
};
use serde::{Deserialize, Serialize};

use crate::Config;

/// Which log this is. A stream that was created anew or restored from a backup is another one, even with the same entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogId {
    /// When the stream was created, in nanoseconds since 1970.
    pub created: String,
    /// The deployment's epoch.
    pub epoch: String,
}

/// The log as it was when asked.
#[derive(Clone, Debug)]
pub struct Log {
    /// Which one.
    pub id: LogId,
    /// Its last sequence.
    pub last: u64,
    /// Whether it has every entry up to there.
    pub whole: bool,
}

/// Waits for JetStream, and for a log that has its first entry; makes both if nobody has. Instances race for it and all take what won.
pub async fn ensure(nats: &Nats, config: &Config, life: &Life) -> Result<Log, Failure> {
    until_done(life, "opening the registry's log", async || {
        loop {
            match inspect(nats, config).await? {
                Some(log) if log.last > 0 => return Ok(log),
                Some(_) => genesis(nats, config).await?,
                None => create(nats, config).await?,
            }
        }
    })
    .await
}

/// The log, if there is one.
pub async fn inspect(nats: &Nats, config: &Config) -> Result<Option<Log>, Attempt> {
    match nats.jetstream.get_stream(subjects::REGISTRY_STREAM).await {
        Ok(stream) if is_being_restored(&stream.cached_info().config.metadata) => {
            Err(Attempt::Again("a restore of the deployment isn't complete".into()))
        }
        Ok(stream) => identify(stream.cached_info(), config).map(Some).map_err(Attempt::Fail),
        Err(e) => match e.kind() {
            GetStreamErrorKind::JetStream(e) if e.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
            GetStreamErrorKind::JetStream(e) => Err(Attempt::Again(e.to_string())),
            _ => Err(Attempt::Again("JetStream doesn't answer".into())),
        },
    }
}

fn identify(info: &Info, config: &Config) -> Result<Log, Failure> {
    let wrong = |message: String| Err(Failure::new(Kind::Deployment, message));
    let Some(Deployment { server, epoch, partitions }) = Deployment::from_metadata(&info.config.metadata)
    else {
        return wrong(format!(
            "the stream {} in this NATS isn't of Kez Chat; give Kez Chat an account of its own",
            subjects::REGISTRY_STREAM
        ));
    };
    if server != config.server {
        return wrong(format!(
            "this NATS holds the deployment {server}, but --server is {}; give --server {server}, or another NATS",
            config.server
        ));
    }
    if let Some(asked) = config.partitions.filter(|asked| *asked != partitions) {
        return wrong(format!(
            "the deployment {server} was created with {partitions} inbox partitions for ever, but --inbox-partitions is {asked}; leave the flag out"
        ));
    }
    let created = info.created.unix_timestamp_nanos().to_string();
    let last = info.state.last_sequence;
    Ok(Log { id: LogId { created, epoch }, last, whole: info.state.messages == last })
}

async fn create(nats: &Nats, config: &Config) -> Result<(), Attempt> {
    let epoch = getrandom::u64().map_err(|e| Attempt::Fail(Failure::internal(e)))?;
    let deployment = Deployment {
        server: config.server.clone(),
        epoch: format!("{epoch:016x}"),
        partitions: config.partitions.unwrap_or(limits::PARTITIONS),
    };
    let refused = match nats.jetstream.create_stream(stream(&deployment, config.replicas)).await {
        Ok(_) => {
            tracing::info!(server = %deployment.server, deployment.partitions, "created the deployment");
            return Ok(());
        }
        Err(e) => e,
    };
    let CreateStreamErrorKind::JetStream(e) = refused.kind() else {
        return Err(Attempt::Again(refused.to_string()));
    };
    let never = |kind, message: String| Err(Attempt::Fail(Failure::new(kind, message)));
    match e.error_code() {
        ErrorCode::STREAM_NAME_EXIST => Err(Attempt::Again("another instance is creating it".into())),
        ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED => never(
            Kind::Configuration,
            format!("this NATS isn't a cluster and can't keep {} copies; give --replicas 1", config.replicas),
        ),
        ErrorCode::STREAM_SUBJECT_OVERLAP => never(
            Kind::Deployment,
            format!(
                "another stream in this NATS takes {}; give Kez Chat an account of its own",
                subjects::REGISTRY_LOG
            ),
        ),
        _ => Err(Attempt::Again(e.to_string())),
    }
}

fn stream(deployment: &Deployment, replicas: usize) -> StreamConfig {
    StreamConfig {
        name: subjects::REGISTRY_STREAM.into(),
        description: Some("handles and keys: every registration, in order, for ever".into()),
        subjects: vec![subjects::REGISTRY_LOG.into()],
        republish: Some(Republish {
            source: subjects::REGISTRY_LOG.into(),
            destination: subjects::REGISTRY_CHANGED.into(),
            headers_only: false,
        }),
        max_messages: -1,
        max_messages_per_subject: -1,
        max_bytes: -1,
        max_consumers: -1,
        discard: DiscardPolicy::New,
        // Entries carry no message id; a window costs memory.
        duplicate_window: Duration::from_millis(100),
        num_replicas: replicas,
        allow_direct: true,
        deny_delete: true,
        deny_purge: true,
        metadata: deployment.to_metadata(),
        ..Default::default()
    }
}

/// Appends the first entry, unless another instance did.
async fn genesis(nats: &Nats, config: &Config) -> Result<(), Attempt> {
    let entry = Entry::Genesis { rules: RULES, server: config.server.clone() };
    let entry = serde_json::to_vec(&entry).map_err(|e| Attempt::Fail(Failure::internal(e)))?;
    let mut first = HeaderMap::new();
    first.insert(headers::NATS_EXPECTED_LAST_SEQUENCE, "0");
    let outcome = match nats.jetstream.publish_with_headers(subjects::REGISTRY_LOG, first, entry.into()).await
    {
        Ok(ack) => ack.await,
        Err(e) => Err(e),
    };
    match outcome {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == PublishErrorKind::WrongLastSequence => {
            Err(Attempt::Again("another instance appended the first entry".into()))
        }
        Err(e) => Err(Attempt::Again(format!("the first entry wasn't acknowledged: {e}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(server: &str, partitions: Option<u16>) -> Config {
        let sig_server_url = "http://localhost:7878".into();
        Config {
            server: server.parse().unwrap(),
            sig_server_url,
            index: "index".into(),
            partitions,
            replicas: 1,
            operator: None,
            limit_client_requests: 0,
        }
    }

    fn info() -> Info {
        let deployment =
            Deployment { server: "kez.lat".parse().unwrap(), epoch: "a1".into(), partitions: 16 };
        serde_json::from_value(serde_json::json!({
            "config": stream(&deployment, 1), "created": "2026-05-25T03:00:00.123456789Z",
            "state": {"messages": 7, "bytes": 1, "first_seq": 1, "first_ts": "2026-05-25T03:00:00Z", "last_seq": 7,
                      "last_ts": "2026-05-25T03:00:00Z", "consumer_count": 0}
        }))
        .unwrap()
    }

    #[test]
    fn a_log_is_known_by_creation_and_epoch() {
        let log = identify(&info(), &config("kez.lat", Some(16))).unwrap();
        assert_eq!(
            (log.last, log.id.epoch.as_str(), log.id.created.as_str()),
            (7, "a1", "1779678000123456789")
        );
    }

    #[test]
    fn a_deployment_that_contradicts_the_configuration_is_refused_by_name() {
        let failure = identify(&info(), &config("other.lat", None)).unwrap_err();
        assert_eq!(failure.kind, Kind::Deployment);
        assert!(failure.message.contains("kez.lat") && failure.message.contains("other.lat"), "{failure}");
        assert_eq!(identify(&info(), &config("kez.lat", Some(8))).unwrap_err().kind, Kind::Deployment);
        let mut foreign = info();
        foreign.config.metadata.clear();
        assert_eq!(identify(&foreign, &config("kez.lat", None)).unwrap_err().kind, Kind::Deployment);
    }
}
