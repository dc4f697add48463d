//! Services, by the NATS service API (ADR-32).

use std::time::Duration;

use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep_until};

use super::Operator;
use crate::failure::Failure;

/// Every instance answers within milliseconds; in a cluster, the answer may come from far away.
const ALL: Duration = Duration::from_secs(1);

impl Operator {
    /// What every running instance of every service says when it is asked this: `PING`, `INFO` or `STATS`.
    pub async fn services<T: DeserializeOwned>(&self, verb: &str) -> Result<Vec<T>, Failure> {
        let inbox = self.client.new_inbox();
        let mut answers = self.client.subscribe(inbox.clone()).await.map_err(Failure::refused)?;
        let subject = format!("$SRV.{verb}");
        self.client.publish_with_reply(subject, inbox, "".into()).await.map_err(Failure::refused)?;
        let (mut all, end) = (vec![], Instant::now() + ALL);
        loop {
            tokio::select! {
                () = sleep_until(end) => return Ok(all),
                answer = answers.next() => match answer {
                    // Nobody is there.
                    Some(answer) if answer.status.is_some() => return Ok(all),
                    Some(answer) => all.extend(serde_json::from_slice::<T>(&answer.payload).ok()),
                    None => return Err(Failure::refused("the connection to NATS was lost")),
                },
            }
        }
    }
}
