//! What an operator reads at /metrics.

use kez_proto::Code;
use kez_tests::{
    Deployment, Person, Process, eventually,
    http::{get, refused},
    person::send,
    sse::Stream,
};
use serde_json::json;

async fn metrics(process: &Process) -> String {
    let answer = get(format!("http://{}/metrics", process.address("admin"))).await;
    assert_eq!(answer.status(), 200);
    answer.text().await.unwrap()
}

/// A counter's value; 0 if it isn't there.
fn value(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.split(' ').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn the_way_of_a_message_is_counted_and_timed() {
    let deployment = Deployment::start(1).await;
    let url = deployment.url(0);
    let alice = Person::registered("alice", url).await;
    let (mut stream, _) = Stream::open(url, &alice, "").await;
    for n in 0..3 {
        assert_eq!(send(url, "alice", json!({"n": n})).await.status(), 201);
    }
    assert_eq!(stream.seqs(3).await.len(), 3);
    refused(send(url, "nobody", json!({})).await, Code::UnknownHandle).await;
    assert_eq!(send(url, "alice", json!({"n": 0})).await.status(), 201);

    let gateway = metrics(&deployment.gateways[0]).await;
    for (name, count) in [
        ("kez_gateway_http_seconds_count{route=\"POST /v1/messages\",status=\"201\"}", 4.0),
        ("kez_gateway_http_seconds_count{route=\"POST /v1/messages\",status=\"404\"}", 1.0),
        ("kez_gateway_http_refusals_total{code=\"unknown_handle\"}", 1.0),
        ("kez_gateway_streams", 1.0),
        ("kez_gateway_stream_messages_total", 3.0),
        ("kez_gateway_push_seconds_count", 3.0),
        ("kez_gateway_stream_repairs_total", 0.0),
        ("kez_nats_connections_made_total{name=\"gateway\"}", 1.0),
    ] {
        assert_eq!(value(&gateway, name), count, "{name}\n{gateway}");
    }
    assert!(value(&gateway, "kez_gateway_push_seconds_sum") < 60.0, "{gateway}");
    let fanout = metrics(&deployment.fanouts[0]).await;
    for (name, count) in [
        ("kez_fanout_store_seconds_count", 4.0),
        ("kez_fanout_duplicates_total", 1.0),
        ("kez_request_seconds_count{subject=\"kez.fanout.send\"}", 5.0),
        ("kez_request_refusals_total{subject=\"kez.fanout.send\",code=\"unknown_handle\"}", 1.0),
    ] {
        assert_eq!(value(&fanout, name), count, "{name}\n{fanout}");
    }
    let registry = metrics(&deployment.registries[0]).await;
    assert_eq!(value(&registry, "kez_request_seconds_count{subject=\"kez.registry.register\"}"), 1.0);
    assert!(registry.contains("kez_registry_index_lag 0"), "{registry}");
    drop(stream);
    let closed =
        async || (value(&metrics(&deployment.gateways[0]).await, "kez_gateway_streams") == 0.0).then_some(());
    eventually("the stream is gone", closed).await;
}
