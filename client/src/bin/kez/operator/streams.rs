//! Streams, by JetStream's own protocol.

use std::collections::HashMap;

use async_nats::jetstream::{self, ErrorCode, response::Response};
use kez_proto::{Deployment, Handle, partition, subjects};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::Operator;
use crate::failure::Failure;

/// A stream, as far as it matters here.
#[derive(Clone, Debug, Deserialize)]
pub struct Stream {
    /// Its configuration as JetStream tells it.
    pub config: Value,
    /// What it holds.
    pub state: State,
    /// Who keeps it.
    #[serde(default)]
    pub cluster: Cluster,
}

/// The servers that keep a stream.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Cluster {
    /// The server that takes what is stored; none while they choose one.
    #[serde(default)]
    pub leader: Option<String>,
    /// The others.
    #[serde(default)]
    pub replicas: Vec<Replica>,
}

/// A server that follows a stream's leader.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Replica {
    pub name: String,
    /// Whether it has all that the leader has.
    pub current: bool,
    #[serde(default)]
    pub offline: bool,
    /// Entries that it lacks.
    #[serde(default)]
    pub lag: u64,
}

/// What a stream holds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct State {
    pub messages: u64,
    pub bytes: u64,
    pub first_seq: u64,
    pub last_seq: u64,
    #[serde(default)]
    pub num_subjects: u64,
}

/// The streams of a deployment, in the order in which they are copied: mail, then who has which handle, then the identity logs. So no copied mail is for a
/// handle that the copied registry doesn't know.
pub fn streams_of(partitions: u16) -> Vec<String> {
    let others = [subjects::REGISTRY_STREAM, subjects::SIGCHAIN_STREAM].map(String::from);
    (0..partitions).map(subjects::inbox_stream).chain(others).collect()
}

impl Stream {
    /// What the deployment fixed, if this is the registry's stream.
    pub fn deployment(&self) -> Option<Deployment> {
        Deployment::from_metadata(&self.metadata())
    }

    /// Its metadata.
    pub fn metadata(&self) -> HashMap<String, String> {
        serde_json::from_value(self.config["metadata"].clone()).unwrap_or_default()
    }
}

impl Operator {
    /// The stream of this name, if there is one.
    pub async fn stream(&self, name: &str) -> Result<Option<Stream>, Failure> {
        match self.ask("INFO", name, &json!({})).await? {
            Ok(stream) => Ok(Some(stream)),
            Err(e) if e.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
            Err(e) => Err(refused(name, &e)),
        }
    }

    /// Deletes a stream.
    pub async fn delete(&self, name: &str) -> Result<(), Failure> {
        self.ask::<Value>("DELETE", name, &json!({})).await?.map(drop).map_err(|e| refused(name, &e))
    }

    /// Changes a stream's configuration to this one.
    pub async fn update(&self, name: &str, config: &Value) -> Result<(), Failure> {
        self.ask::<Value>("UPDATE", name, config).await?.map(drop).map_err(|e| refused(name, &e))
    }

    /// Deletes all mail of a handle; how many messages there were.
    pub async fn purge(&self, handle: &Handle, partitions: u16) -> Result<u64, Failure> {
        #[derive(Deserialize)]
        struct Done {
            purged: u64,
        }
        let name = subjects::inbox_stream(partition::of(handle, partitions));
        let request = json!({"filter": subjects::store(handle, partitions)});
        let done = self.ask::<Done>("PURGE", &name, &request).await?.map_err(|e| refused(&name, &e))?;
        Ok(done.purged)
    }

    /// Asks JetStream to do something with a stream, and hears its answer or its refusal.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        verb: &str,
        name: &str,
        request: &Value,
    ) -> Result<Result<T, jetstream::Error>, Failure> {
        let subject = format!("$JS.API.STREAM.{verb}.{name}");
        let answer = self.client.request(subject, request.to_string().into()).await;
        let answer =
            answer.map_err(|e| Failure::refused(format!("JetStream doesn't answer about {name}: {e}")))?;
        read(name, &answer.payload)
    }
}

/// An answer of JetStream.
pub(super) fn read<T: DeserializeOwned>(
    name: &str,
    answer: &[u8],
) -> Result<Result<T, jetstream::Error>, Failure> {
    match serde_json::from_slice(answer) {
        Ok(Response::Ok(answer)) => Ok(Ok(answer)),
        Ok(Response::Err { error }) => Ok(Err(error)),
        Err(e) => Err(Failure::refused(format!("JetStream's answer about {name} can't be read: {e}"))),
    }
}

/// What JetStream refused.
pub(super) fn refused(name: &str, error: &jetstream::Error) -> Failure {
    Failure::refused(format!("JetStream refused it for {name}: {error}"))
}
