//! The registry's log, read as the registry itself may.

use async_nats::{ConnectOptions, jetstream};
use futures_util::StreamExt;
use kez_proto::{
    registry::Entry,
    subjects::{REGISTRY_STREAM, Role},
};
use kez_tests::{Deployment, within};
use serde_json::Value;

/// The payloads of all registrations that reached the log, in order.
pub async fn registrations(deployment: &Deployment) -> Vec<Value> {
    let seed = std::fs::read_to_string(deployment.nats.keys.seed_file(Role::Registry)).unwrap();
    let options = ConnectOptions::with_nkey(seed.trim().into()).custom_inbox_prefix(Role::Registry.inbox_prefix());
    let client = options.connect(deployment.nats.url()).await.unwrap();
    let stream = jetstream::new(client).get_stream(REGISTRY_STREAM).await.unwrap();
    let count = stream.cached_info().state.messages as usize;
    let consumer = jetstream::consumer::pull::Config {
        // The registry may create consumers only by name.
        name: Some(format!("test-{count}")),
        ack_policy: jetstream::consumer::AckPolicy::None,
        ..Default::default()
    };
    let messages = stream.create_consumer(consumer).await.unwrap().messages().await.unwrap();
    let entries: Vec<_> = within("the log is read", messages.take(count).collect()).await;
    let payload = |message: &jetstream::Message| match serde_json::from_slice(&message.payload).unwrap() {
        Entry::Genesis { .. } => None,
        Entry::Registration { envelope, .. } => {
            Some(serde_json::from_str::<Value>(envelope.get()).unwrap()["payload"].take())
        }
    };
    entries.iter().filter_map(|entry| payload(entry.as_ref().unwrap())).collect()
}
