//! What a collector of traces gets, and that nobody waits for it.

use kez_proto::{Code, subjects::Role};
use kez_tests::{
    ChatServer, Collector, Deployment, Person, Process, TlsProxy, chat_server::free_port,
    collector::Exported, eventually, http, http::refused, person::send, within,
};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use reqwest::Response;
use serde_json::{Value, json};

/// A client's trace, which it wants sampled.
const THEIRS: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

async fn deployment(url: &str, ratio: &str) -> Deployment {
    let mut deployment = Deployment::alone().await;
    deployment.arguments = ["--otlp-endpoint", url, "--trace-ratio", ratio].map(String::from).into();
    deployment.begin().await;
    deployment
}

async fn send_traced(url: &str, to: &str, envelope: Value) -> Response {
    let request = http::client().post(format!("{url}/v1/messages")).header("traceparent", THEIRS);
    request.json(&json!({"to": to, "envelope": envelope})).send().await.unwrap()
}

/// The spans of the first trace whose root has this name and this status.
fn trace(collector: &Collector, root: &str, status: &str) -> Vec<Exported> {
    let spans = collector.spans();
    let is_root = |e: &&Exported| e.span.name == root && e.attribute("http.response.status_code") == status;
    let id = spans.iter().find(is_root).map(|e| e.span.trace_id.clone());
    spans.into_iter().filter(|e| Some(&e.span.trace_id) == id.as_ref()).collect()
}

fn find<'a>(trace: &'a [Exported], service: &str, name: &str, kind: SpanKind) -> Option<&'a Exported> {
    trace.iter().find(|e| e.service == service && e.span.name == name && e.span.kind() == kind)
}

#[tokio::test]
async fn a_message_is_one_trace_from_the_gateway_to_the_store() {
    use SpanKind::{Client, Server};
    let collector = Collector::start().await;
    let deployment = deployment(&collector.url, "1").await;
    let url = deployment.url(0).to_owned();
    let alice = Person::registered("traced-alice", &url).await;
    let fanout = deployment.nats.connect_as(Role::Fanout).await;
    let sent = send_traced(&url, "traced-alice", json!({"ct": "hidden-inside"})).await;
    assert_eq!(sent.status(), 201);

    // Each is the parent of the next.
    let path = [
        ("kez-gateway", "POST /v1/messages", Server),
        ("kez-gateway", "kez.fanout.send", Client),
        ("kez-fanout", "kez.fanout.send", Server),
        ("kez-fanout", "kez.registry.lookup", Client),
        ("kez-registry", "kez.registry.lookup", Server),
    ];
    let stored = ("kez-fanout", "kez.store.inbox.*.*", Client);
    let spans = eventually("the whole trace is there", async || {
        let spans = trace(&collector, "POST /v1/messages", "201");
        let all = path.iter().chain([&stored]).all(|(s, n, k)| find(&spans, s, n, *k).is_some());
        all.then_some(spans)
    })
    .await;
    let at = |(service, name, kind): (&str, &str, SpanKind)| find(&spans, service, name, kind).unwrap();
    let root = at(path[0]);
    assert!(root.span.parent_span_id.is_empty(), "{root:?}");
    for [parent, child] in path.array_windows() {
        assert_eq!(at(*child).span.parent_span_id, at(*parent).span.span_id, "{parent:?} {child:?}");
    }
    assert_eq!(at(stored).span.parent_span_id, at(path[2]).span.span_id);
    assert_eq!(root.attribute("http.route"), "/v1/messages");
    assert_eq!(root.attribute("http.request.method"), "POST");
    // A client's own trace is linked, and nothing else of it counts.
    let [link] = &root.span.links[..] else { panic!("{root:?}") };
    assert_eq!(hex(&link.trace_id), &THEIRS[3..35]);
    assert_ne!(hex(&root.span.trace_id), &THEIRS[3..35]);

    refused(send(&url, "traced-nobody", json!({})).await, Code::UnknownHandle).await;
    let failed = eventually("a refused message is there", async || {
        let spans = trace(&collector, "POST /v1/messages", "404");
        find(&spans, "kez-registry", "kez.registry.lookup", Server).is_some().then_some(spans)
    });
    for span in failed.await.iter().filter(|e| e.span.kind() == Server) {
        assert_eq!(span.attribute("error.type"), "unknown_handle", "{span:?}");
    }
    // What is stored, and with it what readers get, has no header of a trace.
    let jetstream = async_nats::jetstream::new(fanout);
    let mut found = 0;
    for n in 0..16 {
        let stream = jetstream.get_stream(kez_proto::subjects::inbox_stream(n)).await.unwrap();
        let Ok(message) = stream.get_raw_message(1).await else { continue };
        found += 1;
        assert!(!format!("{:?}", message.headers).to_lowercase().contains("trace"), "{message:?}");
    }
    assert_eq!(found, 1);
    // The page of a stream is a request with its handle in the address.
    assert_eq!(alice.mail(&url).await.len(), 1);
    eventually("the page is there", async || {
        (!trace(&collector, "GET /v1/inbox/{handle}", "200").is_empty()).then_some(())
    })
    .await;
    // What services ask of their own accord is in none.
    let asked: Vec<_> = collector.spans().into_iter().filter(|e| e.span.kind() == Client).collect();
    assert!(!asked.is_empty() && asked.iter().all(|e| !e.span.parent_span_id.is_empty()), "{asked:?}");
    for body in collector.bodies() {
        let text = String::from_utf8_lossy(&body).into_owned();
        let key = alice.identity.primary().to_string();
        for secret in ["traced-alice", "traced-nobody", "hidden-inside", key.trim_start_matches("ed25519:")] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[tokio::test]
async fn the_ratio_holds_whatever_a_client_says() {
    let collector = Collector::start().await;
    let mut deployment = deployment(&collector.url, "0").await;
    let url = deployment.url(0).to_owned();
    Person::registered("alice", &url).await;
    for n in 0..20 {
        assert_eq!(send_traced(&url, "alice", json!({"n": n})).await.status(), 201);
    }
    // Whoever ends exports what is left.
    deployment.end().await;
    assert!(collector.spans().is_empty(), "{:?}", collector.spans());
}

#[tokio::test]
async fn what_is_left_is_exported_at_the_end() {
    let collector = Collector::start().await;
    let mut deployment = deployment(&collector.url, "1").await;
    let url = deployment.url(0).to_owned();
    refused(send(&url, "nobody", json!({})).await, Code::UnknownHandle).await;
    deployment.end().await;
    assert!(!trace(&collector, "POST /v1/messages", "404").is_empty(), "{:?}", collector.spans());
}

#[tokio::test]
async fn a_collector_that_hangs_holds_up_nothing() {
    let collector = Collector::hanging().await;
    let mut deployment = deployment(&collector.url, "1").await;
    let url = deployment.url(0).to_owned();
    let alice = Person::registered("alice", &url).await;
    eventually("the collector is asked", async || {
        assert_eq!(send(&url, "alice", json!({})).await.status(), 201);
        (!collector.bodies().is_empty()).then_some(())
    })
    .await;
    // Far more spans than wait in a queue.
    for n in 0..1100 {
        assert_eq!(send(&url, "alice", json!({"n": n})).await.status(), 201);
    }
    assert!(alice.mail(&url).await.len() >= 1100);
    within("all services end", deployment.end()).await;
}

#[tokio::test]
async fn the_standards_variable_names_a_collector_with_tls() {
    let collector = Collector::start().await;
    let proxy = TlsProxy::start(&collector.url).await;
    let dir = tempfile::tempdir().unwrap();
    let mut arguments = ChatServer::arguments(&dir.path().join("db"), "127.0.0.1:0");
    arguments.extend(["--trace-ratio", "1"].map(String::from));
    let environment =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", &*proxy.url), ("SSL_CERT_FILE", &proxy.authority.file())];
    let mut server = Process::spawn_with("kez-chat-server", &arguments, &environment);
    let url = server.ready().await.address("http").to_owned();
    refused(send(&url, "nobody", json!({})).await, Code::UnknownHandle).await;
    assert!(server.terminate().await.success(), "{}", server.log());
    let trace = trace(&collector, "POST /v1/messages", "404");
    // One process is all of the path.
    let registry = find(&trace, "kez-chat-server", "kez.registry.lookup", SpanKind::Server);
    assert!(registry.is_some(), "{trace:?} {}", server.log());
}

#[tokio::test]
async fn a_collector_that_is_away_is_told_of() {
    let deployment = deployment(&format!("http://127.0.0.1:{}", free_port()), "1").await;
    let url = deployment.url(0).to_owned();
    Person::registered("alice", &url).await;
    assert_eq!(send(&url, "alice", json!({})).await.status(), 201);
    eventually("the log says so", async || {
        deployment.gateways[0].log().contains("traces can't be exported").then_some(())
    })
    .await;
}
