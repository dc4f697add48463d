//! Those who are there beside the load: people who register, and people who write identity logs.

mod chains;
mod newcomers;

use std::time::Duration;

use kez_proto::{Code, Problem};
use reqwest::Client;
use serde_json::Value;
use tokio::time::sleep;

pub use self::{chains::Chains, newcomers::Newcomers};

/// Between requests.
const PACE: Duration = Duration::from_millis(300);
/// A wire that was pulled answers nothing.
const PATIENCE: Duration = Duration::from_secs(5);

/// Posts this until it is taken or refused for good, to each gateway in turn; the status and the answer.
async fn post(client: &Client, urls: &[String], url: impl Fn(&str) -> String, body: &Value) -> (u16, Value) {
    for gateway in 0.. {
        let request = client.post(url(&urls[gateway % urls.len()])).json(body).timeout(PATIENCE);
        if let Ok(response) = request.send().await {
            let status = response.status().as_u16();
            if let Ok(answer) = response.json::<Value>().await {
                let code = serde_json::from_value::<Problem>(answer.clone()).ok().map(|problem| problem.code);
                // The clock of one of them may be wrong.
                if !matches!(code, Some(Code::Unavailable | Code::StaleTimestamp)) {
                    return (status, answer);
                }
            }
        }
        sleep(PACE).await;
    }
    unreachable!("there is always another attempt")
}
