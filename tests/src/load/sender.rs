//! A sender: one message after the other, each with the same bytes until it is acknowledged.

use std::{sync::Arc, time::Duration};

use kez_proto::mail::Sent;
use reqwest::{Client, StatusCode};
use serde_json::json;
use tokio::{sync::watch, time::sleep};

use super::{
    Wires,
    account::{Account, Id, Receipt},
};
use crate::http;

/// Between one sender's messages, and between attempts.
const PACE: Duration = Duration::from_millis(10);
/// No request may hang: the product promises an answer in 2 s. Over a wire that was pulled, nothing comes.
const HANG: Duration = Duration::from_secs(10);

/// Sends as many messages as it is allowed to, to each recipient in turn, by each gateway in turn.
pub async fn send(
    urls: Vec<String>,
    to: Vec<String>,
    sender: u64,
    wires: Wires,
    mut allowed: watch::Receiver<u64>,
    account: Arc<Account>,
) {
    let client = http::client();
    let mut gateway = sender as usize;
    for n in 0.. {
        if allowed.wait_for(|allowed| n < *allowed).await.is_err() {
            return;
        }
        let (id, recipient) = (Id { sender, n }, (sender + n) as usize % to.len());
        let body = json!({"to": to[recipient], "envelope": id.envelope()}).to_string();
        let seq = loop {
            gateway += 1;
            match attempt(&client, &urls[gateway % urls.len()], body.clone(), wires).await {
                Ok(sent) => {
                    if sent.duplicate {
                        Account::count(&account.repeated);
                    }
                    break sent.seq;
                }
                Err(why) => account.refusals.lock().unwrap().push(why),
            }
            sleep(PACE).await;
        };
        account.acknowledge(Receipt { to: recipient, id, seq });
        sleep(PACE).await;
    }
}

/// One attempt; whatever is worth another try is an error.
async fn attempt(client: &Client, url: &str, body: String, wires: Wires) -> Result<Sent, String> {
    let request = client.post(format!("{url}/v1/messages")).body(body).timeout(HANG);
    let lost = |e: reqwest::Error| {
        assert!(!e.is_timeout() || wires == Wires::Pulled, "a send hung: {e}");
        e.to_string()
    };
    let response = request.send().await.map_err(lost)?;
    let status = response.status();
    let text = response.text().await.map_err(lost)?;
    match status {
        StatusCode::CREATED => Ok(serde_json::from_str(&text).unwrap()),
        StatusCode::SERVICE_UNAVAILABLE => Err(text),
        other => panic!("a send was refused with {other}: {text}"),
    }
}
