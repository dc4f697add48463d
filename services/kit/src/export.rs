//! Sends spans to an OpenTelemetry collector (OTLP over HTTP), from a thread of its own. What the collector doesn't take in time is dropped: nothing waits for it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use clap::Args;
use opentelemetry::{Context, KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{Protocol, SpanExporter as OtlpExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchSpanProcessor, Sampler, SdkTracerProvider, Span, SpanData, SpanExporter, SpanProcessor},
};
use prometheus_client::metrics::counter::Counter;
use reqwest::{Url, blocking::Client};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};

use crate::{Failure, Kind, metrics::Metrics, tls, trace::TARGET};

/// A collector has this long to take a batch.
const TIMEOUT: Duration = Duration::from_secs(5);
/// What is left at the process's end has this long.
const FLUSH: Duration = Duration::from_secs(2);
/// A collector that is away is told of so often.
const TOLD: Duration = Duration::from_secs(60);

/// Where traces go, and how many.
#[derive(Args, Clone, Debug)]
#[group(id = "traces")]
pub struct TraceArgs {
    /// OpenTelemetry collector that gets traces, over OTLP/HTTP (protobuf) at /v1/traces below this URL, such as http://127.0.0.1:4318 [default: no traces].
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// Share of the requests from outside that are traced, from 0 to 1.
    #[arg(long, env = "KEZ_CHAT_TRACE_RATIO", value_name = "RATIO", default_value_t = 0.1, value_parser = ratio)]
    pub trace_ratio: f64,
}

fn ratio(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err("must be a number from 0 to 1".into()),
    }
}

/// A running export.
pub struct Export {
    provider: SdkTracerProvider,
}

impl Export {
    /// Starts one, if there is a collector.
    pub(crate) fn start(args: &TraceArgs, metrics: &Metrics) -> Result<Option<Self>, Failure> {
        // The standard says that an empty variable is none.
        let Some(endpoint) = args.otlp_endpoint.as_deref().filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let counts = Counts::new(metrics);
        let exporter = Exporter {
            inner: exporter(endpoint)?,
            exported: counts.exported.clone(),
            endpoint: endpoint.to_owned(),
            told: Arc::default(),
        };
        let mut resource = Resource::builder().with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", format!("{:016x}", fastrand::u64(..))),
        ]);
        if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
            let process = std::env::current_exe().ok();
            let name =
                process.as_deref().and_then(|path| path.file_name()).map(|name| name.to_string_lossy());
            resource = resource.with_service_name(name.unwrap_or_default().into_owned());
        }
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(args.trace_ratio))))
            .with_span_processor(Ended(counts.ended))
            .with_span_processor(BatchSpanProcessor::builder(exporter).build())
            .with_resource(resource.build())
            .build();
        Ok(Some(Self { provider }))
    }

    /// Takes the spans of this crate, and no event: log lines stay here.
    pub(crate) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("kez-kit"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(Targets::new().with_target(TARGET, LevelFilter::INFO))
    }

    /// Exports what is left, at most for two seconds.
    pub(crate) fn end(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH) {
            tracing::debug!(%error, "the last traces weren't exported");
        }
    }
}

fn exporter(endpoint: &str) -> Result<OtlpExporter, Failure> {
    let wrong = |why: &dyn std::fmt::Display| {
        let flag = "--otlp-endpoint (OTEL_EXPORTER_OTLP_ENDPOINT)";
        Failure::new(Kind::Configuration, format!("{flag}: {why}"))
    };
    let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
    let parsed = Url::parse(&url).map_err(|e| wrong(&e))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(wrong(&"must begin with http:// or https://"));
    }
    // A password would be told in the log.
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(wrong(
            &"must not have a user or a password in it; OTEL_EXPORTER_OTLP_HEADERS is for those",
        ));
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(wrong(&"must end before ? and #: /v1/traces is added to it"));
    }
    let client = Client::builder().timeout(TIMEOUT).tls_backend_preconfigured(tls::of_this_system()?);
    OtlpExporter::builder()
        .with_http()
        .with_http_client(client.build().map_err(Failure::internal)?)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(url)
        .with_timeout(TIMEOUT)
        .build()
        .map_err(|e| wrong(&e))
}

struct Counts {
    ended: Counter,
    exported: Counter,
}

impl Counts {
    fn new(metrics: &Metrics) -> Self {
        let (ended, exported) = (Counter::default(), Counter::default());
        metrics.register(|registry| {
            registry.register("kez_trace_spans", "Spans that were sampled", ended.clone());
            registry.register(
                "kez_trace_spans_exported",
                "Spans that the collector took; the others wait for a moment, or are dropped",
                exported.clone(),
            );
        });
        Self { ended, exported }
    }
}

/// Counts spans before the queue takes or drops them.
#[derive(Debug)]
struct Ended(Counter);

impl SpanProcessor for Ended {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.0.inc();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Counts what the collector takes, and tells the operator of what it doesn't.
#[derive(Debug)]
struct Exporter {
    inner: OtlpExporter,
    exported: Counter,
    endpoint: String,
    told: Arc<Mutex<Option<Instant>>>,
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let outcome = self.inner.export(batch).await;
        match &outcome {
            Ok(()) => {
                self.exported.inc_by(spans as u64);
            }
            Err(error) => {
                let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                if told.is_none_or(|at| at.elapsed() >= TOLD) {
                    *told = Some(Instant::now());
                    tracing::warn!(%error, endpoint = self.endpoint, spans, "traces can't be exported, and are dropped");
                }
            }
        }
        outcome
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
