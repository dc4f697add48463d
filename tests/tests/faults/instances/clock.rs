use std::sync::Arc;

use futures_util::StreamExt;
use kez_client::{Client, Cursor, Event, Identity, listen};
use kez_proto::Code;
use kez_tests::{Deployment, Person, clock, person::send, within};
use serde_json::json;

/// Whoever was let in before needn't think that the wrong clock is its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_outlasts_an_instance_whose_clock_is_wrong() {
    let Some(ahead) = clock::ahead() else { return };
    let mut deployment = Deployment::start(1).await;
    let url = deployment.url(0).to_owned();
    let alice = Person::registered("alice", &url).await;
    let identity = Arc::new(Identity::from_seed(&alice.seed()));
    let mut mail = listen(Client::new(&url).unwrap(), identity, alice.handle.clone(), Cursor::default());
    let first = within("the stream opens", mail.next()).await.unwrap().unwrap();
    assert!(matches!(first, Event::Connected { .. }), "{first:?}");

    assert!(deployment.fanouts[0].terminate().await.success());
    deployment.environment = ahead;
    deployment.fanouts[0] = deployment.fanout();
    deployment.fanouts[0].ready().await;
    deployment.environment.clear();
    deployment.gateways[0].kill();
    deployment.gateways[0] = deployment.gateway(url.trim_start_matches("http://"));
    deployment.gateways[0].ready().await;
    let mut refusals = 0;
    while refusals < 2 {
        match within("the reader tries again", mail.next()).await.unwrap().unwrap() {
            Event::Disconnected { reason, .. } if reason.contains(Code::StaleTimestamp.detail()) => {
                refusals += 1
            }
            Event::Disconnected { .. } => {}
            other => panic!("{other:?}"),
        }
    }

    assert!(deployment.fanouts[0].terminate().await.success());
    deployment.fanouts[0] = deployment.fanout();
    deployment.fanouts[0].ready().await;
    assert_eq!(send(&url, "alice", json!({"n": 1})).await.status(), 201);
    within("the message comes", async {
        loop {
            match mail.next().await.unwrap().unwrap() {
                Event::Message(message) => break assert_eq!(message.envelope.get(), r#"{"n":1}"#),
                Event::Connected { .. } | Event::Disconnected { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
}
