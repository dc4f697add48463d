//! One request of every kind, and what its answer must be while the broker is away.

use std::time::{Duration, Instant};

use kez_proto::Code;
use kez_tests::{Deployment, Person, Process, SERVER, eventually, http, sse::Stream};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// 2 s are promised; a busy machine may take longer to tell.
pub const IN_TIME: Duration = Duration::from_secs(4);
const HANG: Duration = Duration::from_secs(15);

/// Every kind of request that needs the broker, by name.
fn every_kind(client: &Client, url: &str, person: &Person) -> Vec<(&'static str, RequestBuilder)> {
    let (handle, primary) = (&person.handle, person.identity.primary());
    let get = |path: String| client.get(format!("{url}{path}"));
    let purge = format!("/v1/inbox/{handle}?through=0");
    let stranger = Person::new("stranger");
    vec![
        ("server", get("/v1/server".into())),
        ("register", client.post(format!("{url}/v1/register")).json(&stranger.registration())),
        ("lookup", get(format!("/v1/u/{handle}"))),
        ("by-primary", get(format!("/v1/by-primary/{primary}"))),
        ("webfinger", get(format!("/.well-known/webfinger?resource=acct:{handle}@{}", SERVER))),
        (
            "send",
            client.post(format!("{url}/v1/messages")).json(&json!({"to": handle, "envelope": {"probe": 1}})),
        ),
        ("inbox", get(format!("/v1/inbox/{handle}")).header("x-kez-auth", person.poll_auth(0))),
        (
            "delete",
            client
                .delete(format!("{url}{purge}"))
                .header("x-kez-auth", person.request_auth("DELETE", &purge)),
        ),
        ("stream", get(format!("/v1/inbox/{handle}/stream?auth={}", person.stream_auth()))),
    ]
}

/// Sends all kinds at once; the answers by name, with the time that each took to begin.
async fn ask(url: &str, person: &Person) -> Vec<(&'static str, Response, Duration)> {
    let client = http::client();
    let mut requests = JoinSet::new();
    for (name, request) in every_kind(&client, url, person) {
        requests.spawn(async move {
            let begun = Instant::now();
            let answer = request.timeout(HANG).send().await.unwrap_or_else(|e| panic!("{name} hung: {e}"));
            (name, answer, begun.elapsed())
        });
    }
    requests.join_all().await
}

/// Every kind is refused in time, in the words that a client understands; the slowest answer's time.
pub async fn assert_all_unavailable(url: &str, person: &Person) -> Duration {
    let mut slowest = Duration::ZERO;
    for (name, answer, took) in ask(url, person).await {
        assert_unavailable(name, answer, took).await;
        slowest = slowest.max(took);
    }
    let health = http::get(format!("{url}/v1/healthz")).await;
    assert_eq!(health.status(), 200, "the process is well");
    slowest
}

/// One refusal.
pub async fn assert_unavailable(name: &str, answer: Response, took: Duration) {
    let problem = http::refused(answer, Code::Unavailable).await;
    assert!(problem.retry_after >= Some(1), "{name} doesn't say when to try again");
    assert!(took < IN_TIME, "{name} took {took:?}");
}

/// Every kind succeeds.
pub async fn assert_all_work(url: &str, person: &Person) {
    for (name, answer, _) in ask(url, person).await {
        let status = answer.status().as_u16();
        // The stranger may have been registered by a request that got no answer.
        let fine = matches!(status, 200 | 201) || (name, status) == ("register", 409);
        assert!(fine, "{name}: {status} {}", answer.text().await.unwrap());
    }
}

/// A service's readiness: the status, and the gates with the reasons why they are closed.
pub async fn readiness(process: &Process) -> (u16, Value) {
    let answer = http::get(format!("http://{}/readyz", process.address("admin"))).await;
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// All processes of a deployment, by name.
pub fn processes(deployment: &Deployment) -> impl Iterator<Item = &Process> {
    deployment.gateways.iter().chain(&deployment.fanouts).chain(&deployment.registries)
}

/// Waits until all these say that they are ready.
pub async fn all_ready<'a>(processes: impl Iterator<Item = &'a Process>) {
    for process in processes {
        eventually("a service is ready again", async || (readiness(process).await.0 == 200).then_some(()))
            .await;
    }
}

/// Stands for an open stream during a fault: nothing ends it.
pub async fn still_open(stream: &mut Stream) {
    // A live stream has nothing to say here: whatever comes at once is its end.
    if let Ok(event) = tokio::time::timeout(Duration::from_millis(200), stream.take()).await {
        assert_eq!(event.expect("the stream ended").kind, "ping");
    }
}
