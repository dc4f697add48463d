//! What nats-server holds and how it is, seen from its system account.

use std::{collections::BTreeMap, time::Duration};

use async_nats::{Client, ConnectOptions};
use kez_nats::Owner;
use kez_tests::{Deployment, within};
use serde_json::{Value, json};

/// The streams, and the server that has them.
#[derive(Debug, PartialEq)]
pub struct State {
    /// By name.
    pub streams: BTreeMap<String, Stream>,
    /// When the server started, and its process.
    pub server: (Value, Value),
}

/// What a stream is and holds.
#[derive(Debug, PartialEq)]
pub struct Stream {
    pub config: Value,
    pub messages: u64,
    pub last: u64,
    pub consumers: u64,
}

impl State {
    /// As it is now. The server must be healthy, and no client of it so slow that it was cut off.
    pub async fn of(deployment: &Deployment) -> Self {
        let system = system(deployment).await;
        let health = ask(&system, "HEALTHZ", json!({})).await;
        assert_eq!(health["data"]["status"], "ok", "{health}");
        let general = ask(&system, "VARZ", json!({})).await;
        assert_eq!(general["data"]["slow_consumers"], 0, "{general}");
        let store = ask(&system, "JSZ", json!({"streams": true, "config": true, "limit": 1000})).await;
        let accounts = store["data"]["account_details"].as_array().unwrap();
        let streams = accounts.iter().flat_map(|account| account["stream_detail"].as_array().unwrap());
        let streams = streams.map(|stream| {
            let count = |member: &str| stream["state"][member].as_u64().unwrap();
            let name = stream["name"].as_str().unwrap().to_owned();
            let stream = Stream {
                config: stream["config"].clone(),
                messages: count("messages"),
                last: count("last_seq"),
                consumers: count("consumer_count"),
            };
            (name, stream)
        });
        let server = (general["data"]["start"].clone(), general["server"]["id"].clone());
        Self { streams: streams.collect(), server }
    }

    /// All mail that is stored.
    pub fn mail(&self) -> u64 {
        self.streams.iter().filter(|(name, _)| name.starts_with("KEZ_INBOX_")).map(|(_, s)| s.messages).sum()
    }

    /// Everything is as it was, but for so many messages more in the inboxes.
    pub fn only_grew_by(&self, before: &State, mail: u64) {
        assert_eq!(self.mail(), before.mail() + mail, "messages in the inboxes");
        assert_eq!(self.server, before.server, "the server restarted");
        assert!(self.streams.keys().eq(before.streams.keys()), "{:?}", self.streams.keys());
        for (name, stream) in &self.streams {
            let old = &before.streams[name];
            assert_eq!((&stream.config, stream.consumers), (&old.config, old.consumers), "{name}");
            // Who asks is counted, and forgotten.
            if name.starts_with("KEZ_COUNT_") {
                continue;
            }
            // What was taken is there, in the registry's log nothing, and nothing was deleted.
            assert_eq!(stream.last - old.last, stream.messages - old.messages, "{name}");
            assert!(name.starts_with("KEZ_INBOX_") || stream == old, "{name}: {stream:?} {old:?}");
        }
    }
}

/// What an account shares with others but with nats-server's own: `(subject, "stream" or "service", accounts)`, as nats-server has it.
pub async fn shared(deployment: &Deployment, account: &str, direction: &str) -> Vec<(String, String, Value)> {
    let answer = ask(&system(deployment).await, "ACCOUNTZ", json!({"account": account})).await;
    let all = answer["data"]["account_detail"][direction].as_array().cloned().unwrap_or_default();
    let shared = all.into_iter().filter(|one| one["account"] != "SYS").map(|one| {
        let text = |member: &str| one[member].as_str().unwrap().to_owned();
        let others = if direction == "exports" { "approved_accounts" } else { "account" };
        (text("subject"), text("type"), one[others].clone())
    });
    let mut shared: Vec<_> = shared.collect();
    shared.sort_by(|a, b| a.0.cmp(&b.0));
    shared
}

async fn system(deployment: &Deployment) -> Client {
    let nats = &deployment.nats;
    let seed = std::fs::read_to_string(nats.keys.seed_file(Owner::System)).unwrap();
    let options = ConnectOptions::with_nkey(seed.trim().to_owned());
    within("NATS lets its operator in", options.connect(nats.url())).await.unwrap()
}

async fn ask(system: &Client, what: &str, request: Value) -> Value {
    let answer = system.request(format!("$SYS.REQ.SERVER.PING.{what}"), request.to_string().into());
    let answer = tokio::time::timeout(Duration::from_secs(30), answer).await.unwrap().unwrap();
    serde_json::from_slice(&answer.payload).unwrap()
}
