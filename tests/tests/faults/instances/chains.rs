//! Identity logs while the services behind them are killed.

use std::time::Duration;

use kez_proto::identity::Chain;
use kez_tests::{
    Deployment, eventually, http,
    writer::{Writer, add},
};
use serde_json::Value;
use tokio::time::{Instant, sleep};

/// Each event is sent until it is taken: whatever happened to the answer before, it is there once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_grows_on_while_its_services_and_its_broker_are_killed() {
    const EVENTS: u64 = 60;
    let mut deployment = Deployment::start(1).await;
    deployment.add_sigchain().await;
    deployment.add_sigchain().await;
    let url = deployment.url(0).to_owned();
    let writing = async {
        let (mut writer, mut duplicates) = (Writer::fresh(), 0);
        for n in 0..EVENTS {
            let event = writer.next(&add(&format!("dns:a{n}.example")));
            let answer = eventually("an event is taken", async || {
                let sent = http::client().post(writer.url(&url)).json(&event).send().await.ok()?;
                match sent.status().as_u16() {
                    201 => sent.json::<Value>().await.ok(),
                    503 => None,
                    other => panic!("{other}: {}", sent.text().await.unwrap()),
                }
            })
            .await;
            duplicates += u64::from(answer["duplicate"] == true);
            writer.take(&event);
            sleep(Duration::from_millis(50)).await;
        }
        (writer, duplicates)
    };
    let killing = async {
        let begun = Instant::now();
        for n in 0..4 {
            sleep(Duration::from_millis(400)).await;
            deployment.sigchains[n % 2].kill();
            deployment.sigchains.remove(n % 2);
            deployment.add_sigchain().await;
            if n == 1 {
                deployment.nats.kill();
                deployment.nats.restart().await;
            }
        }
        begun.elapsed()
    };
    let ((writer, duplicates), killed) = tokio::join!(writing, killing);
    println!("four killed within {killed:?}; {duplicates} events were there when they came again");
    let whole: Value = http::get(writer.url(&url)).await.json().await.unwrap();
    let events: Vec<_> =
        whole["events"].as_array().unwrap().iter().map(|e| e.to_string().into_bytes()).collect();
    assert_eq!(events.len() as u64, EVENTS);
    assert_eq!(Some(Chain::verify(events).unwrap()), writer.chain);
}
