//! An OpenTelemetry collector: OTLP over HTTP, as protobuf.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value, trace::v1::Span,
};
use prost::Message;
use tokio::{net::TcpListener, task::JoinSet};

/// A collector that keeps what it gets; it ends when dropped.
pub struct Collector {
    /// Its base URL.
    pub url: String,
    bodies: Arc<Mutex<Vec<Bytes>>>,
    _serving: JoinSet<()>,
}

/// A span, and the service that it comes from.
#[derive(Clone, Debug)]
pub struct Exported {
    /// `service.name` of the resource.
    pub service: String,
    /// The span.
    pub span: Span,
}

impl Collector {
    /// Starts one.
    pub async fn start() -> Self {
        let bodies = Arc::<Mutex<Vec<Bytes>>>::default();
        let keep = |State(bodies): State<Arc<Mutex<Vec<Bytes>>>>, body: Bytes| async move {
            bodies.lock().unwrap().push(body);
            StatusCode::OK
        };
        Self::serving(Router::new().route("/v1/traces", post(keep)).with_state(bodies.clone()), bodies).await
    }

    /// Starts one that takes requests and never answers.
    pub async fn hanging() -> Self {
        let bodies = Arc::<Mutex<Vec<Bytes>>>::default();
        let hang = |State(bodies): State<Arc<Mutex<Vec<Bytes>>>>, body: Bytes| async move {
            bodies.lock().unwrap().push(body);
            std::future::pending::<StatusCode>().await
        };
        Self::serving(Router::new().route("/v1/traces", post(hang)).with_state(bodies.clone()), bodies).await
    }

    async fn serving(router: Router, bodies: Arc<Mutex<Vec<Bytes>>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, bodies, _serving: serving }
    }

    /// The bytes of every request.
    pub fn bodies(&self) -> Vec<Bytes> {
        self.bodies.lock().unwrap().clone()
    }

    /// Every span.
    pub fn spans(&self) -> Vec<Exported> {
        let requests = self.bodies().into_iter().map(|body| ExportTraceServiceRequest::decode(body).unwrap());
        let resources = requests.flat_map(|request| request.resource_spans);
        let spans = resources.flat_map(|resource| {
            let attributes = resource.resource.unwrap_or_default().attributes;
            let service = attributes.iter().find(|a| a.key == "service.name").and_then(|a| a.value.clone());
            let service = match service.and_then(|value| value.value) {
                Some(Value::StringValue(name)) => name,
                other => panic!("a service without a name: {other:?}"),
            };
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            spans.map(move |span| Exported { service: service.clone(), span })
        });
        spans.collect()
    }
}

impl Exported {
    /// An attribute, as text; empty if it isn't there.
    pub fn attribute(&self, key: &str) -> String {
        let value = self.span.attributes.iter().find(|a| a.key == key).and_then(|a| a.value.clone());
        match value.and_then(|value| value.value) {
            Some(Value::StringValue(text)) => text,
            Some(Value::IntValue(number)) => number.to_string(),
            _ => String::new(),
        }
    }
}
