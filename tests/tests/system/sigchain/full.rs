//! A chain that is as long as one file of it may be.

use async_nats::jetstream;
use kez_client::Identity;
use kez_proto::{
    Code,
    identity::{Chain, Event, Op, export},
    json,
    limits::{CHAIN_EXPORT_BYTES, EVENT_BYTES},
    subjects::{Role, sigchain_log},
};
use kez_tests::{
    Deployment, eventually, http,
    http::refused,
    person::now,
    writer::{Writer, add, chain_url},
};

/// Events that fill such a file to its last byte, and what they come to.
fn full(identity: &Identity) -> (Vec<Vec<u8>>, Chain) {
    let op = Op::AddDevice { device: "UDX".into(), name: "phone".into() };
    let (mut events, mut chain): (Vec<_>, Option<Chain>) = (vec![], None);
    let mut left = CHAIN_EXPORT_BYTES;
    while left > 0 {
        let event = Event::sign(chain.as_ref(), &op, now(), identity).unwrap();
        let sign = |filling: usize| {
            let mut payload = event.payload.clone();
            payload["op"] = "fill".into();
            payload["payload"] = serde_json::json!({"with": "x".repeat(filling)});
            let signed = identity.sign_envelope(Event::TAG, &payload).unwrap();
            json::canonical(&serde_json::to_value(&signed).unwrap()).unwrap()
        };
        // The last one fills what the one before it left.
        let length = if left <= EVENT_BYTES { left - 1 } else { (left / 2).min(EVENT_BYTES) };
        let signed = sign(length - sign(0).len());
        left -= signed.len() + 1;
        match &mut chain {
            Some(chain) => drop(chain.append(&signed).unwrap()),
            None => chain = Some(Chain::begin(&signed).unwrap()),
        }
        events.push(signed);
    }
    (events, chain.unwrap())
}

/// What is taken can be exported, with a newline behind each event.
#[tokio::test]
async fn nothing_is_taken_that_no_file_could_hold() {
    let mut deployment = Deployment::start(1).await;
    deployment.add_sigchain().await;
    let url = deployment.url(0);
    let mut writer = Writer::fresh();
    let (events, chain) = full(&Identity::from_seed(&writer.key.to_bytes()));
    assert_eq!(export::to_lines(&events).unwrap().len(), CHAIN_EXPORT_BYTES);
    let stream = jetstream::new(deployment.nats.connect_as(Role::Sigchain).await);
    let key = chain.id();
    for event in events {
        stream.publish(sigchain_log(&key), event.into()).await.unwrap().await.unwrap();
    }
    // It takes some answers of `unavailable` on a busy machine: each goes on where the one before it stopped.
    eventually("the service has read it", async || {
        (http::get(format!("{}/head", chain_url(url, &key))).await.status() == 200).then_some(())
    })
    .await;
    writer.chain = Some(chain);
    refused(writer.post(url, &writer.next(&add("github:alice"))).await, Code::ChainFull).await;
}
