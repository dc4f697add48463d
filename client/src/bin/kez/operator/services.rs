//! Services, by the NATS service API (ADR-32).

use std::{collections::HashMap, time::Duration};

use futures_util::StreamExt;
use kez_proto::{Problem, headers};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use super::Operator;
use crate::failure::Failure;

/// Every instance answers within milliseconds; in a cluster, the answer may come from far away.
const ALL: Duration = Duration::from_secs(1);

/// An instance of a service that runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Running {
    pub name: String,
    pub id: String,
    pub version: String,
    /// What it tells of itself that stays as long as it runs.
    #[serde(default, skip_serializing)]
    pub metadata: HashMap<String, String>,
}

/// An instance of a service, and what it has done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Instance {
    /// Which one.
    #[serde(flatten)]
    pub running: Running,
    /// Since when it runs.
    pub started: String,
    /// What it answers; none of a service that only counts.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
}

/// What an instance has done under one subject.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Endpoint {
    pub subject: String,
    pub num_requests: u64,
    pub num_errors: u64,
    /// What the service tells of itself, the same at each endpoint.
    #[serde(default)]
    pub data: Value,
}

impl Instance {
    /// What it tells of itself under this name.
    pub fn told(&self, name: &str) -> Option<&Value> {
        self.endpoints.first().map(|endpoint| &endpoint.data[name]).filter(|value| !value.is_null())
    }

    /// Requests that it answered, and how many of those with an error.
    pub fn requests(&self) -> (u64, u64) {
        let all = self.endpoints.iter();
        all.fold((0, 0), |(requests, errors), e| (requests + e.num_requests, errors + e.num_errors))
    }
}

impl Operator {
    /// The instances that run.
    pub async fn running(&self) -> Result<Vec<Running>, Failure> {
        self.all("$SRV.PING").await
    }

    /// The instances that run, and what they have done.
    pub async fn instances(&self) -> Result<Vec<Instance>, Failure> {
        self.all("$SRV.STATS").await
    }

    /// Asks a service for one thing.
    pub async fn request<T: DeserializeOwned>(
        &self,
        subject: &'static str,
        request: &impl Serialize,
    ) -> Result<T, Failure> {
        let request = serde_json::to_vec(request).map_err(Failure::refused)?;
        let answer = self.client.request(subject, request.into()).await;
        let answer = answer.map_err(|e| Failure::refused(format!("no service answers {subject}: {e}")))?;
        let refusal =
            answer.headers.as_ref().and_then(|headers| headers.get_last(headers::NATS_SERVICE_ERROR));
        if let Some(refusal) = refusal {
            let problem = Problem::from_service_error(refusal.as_str());
            return Err(Failure::Refused { message: problem.to_string(), code: Some(problem.code) });
        }
        serde_json::from_slice(&answer.payload)
            .map_err(|e| Failure::refused(format!("the answer of {subject} can't be read: {e}")))
    }

    /// What every instance of every service says.
    async fn all<T: DeserializeOwned>(&self, subject: &'static str) -> Result<Vec<T>, Failure> {
        let inbox = self.client.new_inbox();
        let mut answers = self.client.subscribe(inbox.clone()).await.map_err(Failure::refused)?;
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
