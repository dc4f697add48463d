//! The registry's log, read as the registry itself may.

use async_nats::{ConnectOptions, jetstream};
use kez_proto::{
    registry::Entry,
    subjects::{REGISTRY_STREAM, Role},
};
use kez_tests::Deployment;
use serde_json::Value;

/// The payloads of all registrations that reached the log, in order.
pub async fn registrations(deployment: &Deployment) -> Vec<Value> {
    let seed = std::fs::read_to_string(deployment.nats.keys.seed_file(Role::Registry)).unwrap();
    let options =
        ConnectOptions::with_nkey(seed.trim().into()).custom_inbox_prefix(Role::Registry.inbox_prefix());
    let client = options.connect(deployment.nats.url()).await.unwrap();
    let stream = jetstream::new(client).get_stream(REGISTRY_STREAM).await.unwrap();
    let mut payloads = vec![];
    for sequence in 1..=stream.cached_info().state.last_sequence {
        let entry = stream.direct_get(sequence).await.unwrap();
        if let Entry::Registration { envelope, .. } = serde_json::from_slice(&entry.payload).unwrap() {
            payloads.push(serde_json::from_str::<Value>(envelope.get()).unwrap()["payload"].take());
        }
    }
    payloads
}
