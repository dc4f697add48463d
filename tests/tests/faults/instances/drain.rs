//! SIGTERM: what is under way is finished, streams end in order, the exit code is 0.

use kez_proto::subjects;
use kez_tests::{
    Deployment, Person, eventually, http, load::Load, nats::Nats, person::send, sse::Stream, within,
};
use nix::sys::signal::Signal;
use reqwest::Response;
use serde_json::json;
use tokio::task::JoinSet;

use super::urls;

const SENDERS: u64 = 4;
/// Requests that lie before a frozen process.
const COUNT: u64 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_told_to_stop_ends_its_streams_in_order() {
    let mut deployment = Deployment::start(2).await;
    let urls = urls(&deployment);
    let alice = Person::registered("alice", &urls[0]).await;
    let mut open = JoinSet::new();
    for _ in 0..8 {
        let (mut stream, _) = Stream::open(&urls[0], &alice, "").await;
        open.spawn(async move {
            let mut last = None;
            while let Some(event) = stream.read().await.expect("the stream was cut") {
                last = Some(event);
            }
            last.expect("it had events")
        });
    }
    let mut load = Load::start(&urls, vec![alice], SENDERS);
    load.allow(100);
    load.progress(SENDERS * 20).await;
    assert!(load.is_busy(), "it must stop under load");
    let status = deployment.gateways[0].terminate().await;
    assert_eq!(status.code(), Some(0), "{status}");
    for last in within("all streams end", open.join_all()).await {
        let retry: u64 = last.retry.parse().expect("the last word says when to come back");
        assert!((1..=5000).contains(&retry), "{last:?}");
    }
    // The one that is left has it all.
    deployment.gateways[0] = deployment.gateway(urls[0].trim_start_matches("http://"));
    deployment.gateways[0].ready().await;
    load.finish().await;
}

/// Requests that a service has taken when it is told to stop are answered; those that come later are another instance's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_that_are_told_to_stop_answer_what_is_under_way() {
    let mut deployment = Deployment::start(1).await;
    let url = deployment.url(0).to_owned();
    Person::registered("alice", &url).await;
    assert_eq!(send(&url, "alice", json!({"n": "first"})).await.status(), 201);

    // Frozen, it can't answer; what is sent now is under way to it for certain.
    let before = deployment.nats.sent_to("fanout").await;
    deployment.fanouts[0].signal(Signal::SIGSTOP);
    let client = http::client();
    let mut requests = JoinSet::new();
    for n in 0..COUNT {
        let body = json!({"to": "alice", "envelope": {"n": n}});
        requests.spawn(client.post(format!("{url}/v1/messages")).json(&body).send());
    }
    under_way(&deployment.nats, "fanout", before).await;
    deployment.fanouts[0].signal(Signal::SIGTERM);
    deployment.fanouts[0].signal(Signal::SIGCONT);
    let status = deployment.fanouts[0].ended().await;
    assert_eq!(status.code(), Some(0), "{status}");
    created(requests).await;

    let before = deployment.nats.sent_to("registry").await;
    deployment.registries[0].signal(Signal::SIGSTOP);
    let mut requests = JoinSet::new();
    for n in 0..COUNT {
        let person = Person::new(&format!("person-{n}"));
        requests.spawn(client.post(format!("{url}/v1/register")).json(&person.registration()).send());
    }
    under_way(&deployment.nats, "registry", before).await;
    deployment.registries[0].signal(Signal::SIGTERM);
    deployment.registries[0].signal(Signal::SIGCONT);
    let status = deployment.registries[0].ended().await;
    assert_eq!(status.code(), Some(0), "{status}");
    created(requests).await;
}

/// All are answered with 201.
async fn created(requests: JoinSet<reqwest::Result<Response>>) {
    for answer in within("requests are answered", requests.join_all()).await {
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 201, "{:?}", answer.text().await);
    }
}

/// The same for requests over NATS, which come on a connection of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_over_nats_are_answered_by_services_that_are_told_to_stop() {
    let mut deployment = Deployment::start(1).await;
    let alice = Person::registered("alice", deployment.url(0)).await;
    let client = alice.connect_nats(&deployment.nats.url()).await;
    let send = subjects::client_send(&alice.handle);
    let lookup = subjects::client_lookup(&alice.handle);
    let ask = |subject: &str, request: serde_json::Value| {
        let (client, subject) = (client.clone(), subject.to_owned());
        async move { client.request(subject, request.to_string().into()).await.unwrap() }
    };
    // Whatever it needs of others it has now.
    ask(&send, json!({"to": "alice", "envelope": {"n": "first"}})).await;
    let frozen = [
        (&send, "fanout-clients", &mut deployment.fanouts[0]),
        (&lookup, "registry-clients", &mut deployment.registries[0]),
    ];
    for (subject, name, service) in frozen {
        let before = deployment.nats.sent_to(name).await;
        service.signal(Signal::SIGSTOP);
        let mut requests = JoinSet::new();
        for n in 0..COUNT {
            let request = json!({"to": "alice", "handle": "alice", "envelope": {"n": n}});
            requests.spawn(ask(subject, request));
        }
        under_way(&deployment.nats, name, before).await;
        service.signal(Signal::SIGTERM);
        service.signal(Signal::SIGCONT);
        let status = service.ended().await;
        assert_eq!(status.code(), Some(0), "{status}");
        for answer in within("requests are answered", requests.join_all()).await {
            assert!(answer.headers.is_none(), "{subject}: {answer:?}");
        }
    }
}

/// Waits until nats-server has sent so many more requests to the service's connection of this name: they lie in the frozen process's socket.
async fn under_way(nats: &Nats, name: &str, before: u64) {
    let what = format!("requests lie before {name}");
    eventually(&what, async || (nats.sent_to(name).await >= before + COUNT).then_some(())).await;
}

/// Instances replaced one after the other, as a deploy does: nobody notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fanouts_and_registries_are_replaced_under_load() {
    let mut deployment = Deployment::start(2).await;
    let urls = urls(&deployment);
    let mut people = vec![];
    for name in ["alice", "bob"] {
        people.push(Person::registered(name, &urls[0]).await);
    }
    let mut load = Load::start(&urls, people, SENDERS);
    for n in 0..2 {
        load.allow(60);
        load.progress(SENDERS * 20).await;
        assert!(load.is_busy(), "it must stop under load");
        let status = deployment.fanouts[n].terminate().await;
        assert_eq!(status.code(), Some(0), "{status}");
        deployment.fanouts[n] = deployment.fanout();
        deployment.fanouts[n].ready().await;
        let status = deployment.registries[n].terminate().await;
        assert_eq!(status.code(), Some(0), "{status}");
        deployment.registries[n] = deployment.registry(n);
        deployment.registries[n].ready().await;
        load.settled().await;
        println!("round {n}: attempts that weren't acknowledged: {:?}", load.refusals());
    }
    load.finish().await;
}
