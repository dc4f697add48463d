//! Those who write identity logs, each event until it is acknowledged.

use kez_proto::identity::Chain;
use kez_tests::{
    http,
    writer::{Writer, add},
};
use serde_json::Value;
use tokio::{sync::watch, task::JoinSet, time::sleep};

use super::{PACE, post};

/// People who write identity logs.
pub struct Chains {
    over: watch::Sender<bool>,
    tasks: JoinSet<Writer>,
}

impl Chains {
    pub fn start(urls: &[String]) -> Self {
        let over = watch::Sender::new(false);
        let mut tasks = JoinSet::new();
        for _ in 0..2 {
            let (urls, stop) = (urls.to_vec(), over.subscribe());
            tasks.spawn(async move {
                let (client, mut writer) = (http::client(), Writer::fresh());
                for n in 0.. {
                    let event = writer.next(&add(&format!("dns:a{n}.example")));
                    let body = serde_json::to_value(&event).unwrap();
                    let (status, answer) = post(&client, &urls, |url| writer.url(url), &body).await;
                    assert_eq!(status, 201, "{answer}");
                    writer.take(&event);
                    if *stop.borrow() {
                        break;
                    }
                    sleep(PACE).await;
                }
                writer
            });
        }
        Self { over, tasks }
    }

    /// Stops, and reads every log at every gateway; how many events there are.
    pub async fn finish(mut self, urls: &[String]) -> usize {
        self.over.send_replace(true);
        let mut count = 0;
        while let Some(writer) = self.tasks.join_next().await {
            let writer = writer.unwrap();
            for url in urls {
                let whole: Value = http::get(writer.url(url)).await.json().await.unwrap();
                let events = whole["events"].as_array().unwrap().iter();
                let events: Vec<_> = events.map(|event| event.to_string().into_bytes()).collect();
                count += events.len();
                assert_eq!(Some(Chain::verify(events).unwrap()), writer.chain);
            }
        }
        count / urls.len()
    }
}
