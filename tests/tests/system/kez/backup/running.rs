//! Services that were cut off from NATS while it was restored find out by themselves.

use kez_tests::{
    Person, eventually,
    person::send,
    sse::Stream,
    writer::{Writer, add},
};
use serde_json::{Value, json};

use super::{Operator, epoch, with_logs};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_that_come_back_to_a_restored_store_begin_anew() {
    let mut deployment = with_logs(1).await;
    let url = deployment.url(0).to_owned();
    let alice = Person::registered("alice", &url).await;
    let mut writer = Writer::of(&alice);
    writer.append(&url, &add("github:alice")).await;
    assert_eq!(send(&url, "alice", json!({"n": 1})).await.status(), 201);
    let operator = Operator::new();
    operator.must("backup", "copy", &deployment, &[]).await;
    // What came later is lost with the store.
    let mut lost = writer.clone();
    lost.append(&url, &add("github:lost")).await;
    let bob = Person::registered("bobby", &url).await;
    assert_eq!(send(&url, "alice", json!({"n": 2})).await.status(), 201);
    let (mut stream, _) = Stream::open(&url, &alice, "&since=0").await;
    assert_eq!(stream.seqs(2).await, [1, 2]);
    let before = epoch(&url).await;

    // The store is lost, and restored where no service sees it.
    let address = deployment.nats.address;
    deployment.nats.kill();
    deployment.nats.forget();
    deployment.nats.address = "127.0.0.1:0".parse().unwrap();
    deployment.nats.restart().await;
    operator.must("restore", "copy", &deployment, &[]).await;
    deployment.nats.kill();
    deployment.nats.address = address;
    deployment.nats.restart().await;

    let after = eventually("the new epoch is told", async || {
        let server: Value = kez_tests::http::get(format!("{url}/v1/server")).await.json().await.ok()?;
        let epoch = server["epoch"].as_str()?.to_owned();
        (epoch != before).then_some(epoch)
    })
    .await;
    // The open stream ends, so that its reader comes back and is told.
    while let Some(event) = stream.word().await {
        assert_ne!(event.kind, "message", "{event:?}");
    }
    let (mut stream, ready) = Stream::open(&url, &alice, &format!("&since=2&epoch={before}")).await;
    assert_eq!(ready.json()["epoch"], json!(after));
    assert_eq!(stream.word().await.unwrap().kind, "resync");
    assert_eq!(stream.message().await.seq(), 1);

    // The registry forgot who came later, and identity logs go on from what is stored.
    let record = bob.record(&url).await;
    assert_eq!(record.handle, bob.handle);
    for n in 0..30 {
        let mut other = Writer::fresh();
        other.append(&url, &add(&format!("github:other-{n}"))).await;
    }
    writer.append(&url, &add("github:another")).await;
    assert_eq!(send(&url, "alice", json!({"n": 3})).await.status(), 201);
    assert_eq!(stream.message().await.json()["envelope"], json!({"n": 3}));
}
