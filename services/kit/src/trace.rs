//! Spans of what a request goes through, for OpenTelemetry. They begin here alone, so that none holds a handle, a key, a token or a body. While traces are off
//! each costs one look at a flag.

use async_nats::HeaderMap;
use axum::http;
use kez_proto::{Code, headers::TRACEPARENT};
use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::{SpanContext, TraceContextExt, TraceState},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::{Span, field::Empty, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::nats::{Unanswered, header};

/// The target of every span here.
pub(crate) const TARGET: &str = "kez_trace";

/// Where a request over NATS goes.
#[derive(Debug)]
pub struct Subject {
    pub(crate) text: String,
    name: &'static str,
}

impl Subject {
    /// A subject with a name for traces: what it has of a handle or a key isn't in the name.
    pub fn named(name: &'static str, text: String) -> Self {
        Self { text, name }
    }
}

impl From<&'static str> for Subject {
    fn from(name: &'static str) -> Self {
        Self { text: name.into(), name }
    }
}

/// An HTTP request, by its route's template. It begins a trace: a client's own is a link, so that nobody outside decides what is sampled (docs/adr/0026).
pub fn http(method: &str, route: &str, headers: &http::HeaderMap) -> Span {
    let span = info_span!(
        target: TARGET,
        parent: None,
        "http",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        "error.type" = Empty,
        trace_id = Empty,
    );
    if !span.is_disabled() {
        let theirs = Parent(headers.get(TRACEPARENT).and_then(|text| text.to_str().ok()).map(str::to_owned));
        let theirs = theirs.context();
        let theirs = theirs.span().span_context().clone();
        span.add_link(SpanContext::new(
            theirs.trace_id(),
            theirs.span_id(),
            theirs.trace_flags(),
            true,
            TraceState::NONE,
        ));
        begin(&span);
    }
    span
}

/// An HTTP request was answered.
pub fn http_answered(span: &Span, status: u16, refused: Option<Code>) {
    span.record("http.response.status_code", status);
    outcome(span, status >= 500, refused);
}

/// A request over NATS that is answered here; part of the trace that its headers name.
pub(crate) fn endpoint(subject: &'static str, headers: Option<&HeaderMap>) -> Span {
    let span = info_span!(
        target: TARGET,
        parent: None,
        "endpoint",
        otel.name = subject,
        otel.kind = "server",
        otel.status_code = Empty,
        messaging.system = "nats",
        "error.type" = Empty,
        trace_id = Empty,
    );
    if !span.is_disabled() {
        let parent = Parent(header(headers, TRACEPARENT).map(str::to_owned));
        // Fails for a span that is begun or disabled, which this one isn't.
        let _ = span.set_parent(parent.context());
        begin(&span);
    }
    span
}

/// A request was answered with this outcome.
pub(crate) fn answered(span: &Span, refused: Option<Code>) {
    outcome(span, refused.is_some_and(|code| code.status() >= 500), refused);
}

/// A request over NATS that is sent, as part of the trace in which this is called.
pub(crate) fn request(subject: &Subject) -> Span {
    // What a service asks of its own accord is no request from outside.
    if Span::current().is_none() {
        return Span::none();
    }
    info_span!(
        target: TARGET,
        "request",
        otel.name = subject.name,
        otel.kind = "client",
        otel.status_code = Empty,
        messaging.system = "nats",
        "error.type" = Empty,
    )
}

/// A request was answered by somebody, whatever was said, or wasn't.
pub(crate) fn sent<T>(span: &Span, answer: &Result<T, Unanswered>) {
    if answer.is_err() {
        outcome(span, true, Some(Code::Unavailable));
    }
}

/// Tells the service that is asked of this trace. Not for what is stored: its readers would see it.
pub(crate) fn tell(span: &Span, headers: &mut HeaderMap) {
    if !span.is_disabled() {
        let mut parent = Parent(None);
        TraceContextPropagator::new().inject_context(&span.context(), &mut parent);
        if let Some(text) = parent.0 {
            headers.insert(TRACEPARENT, text);
        }
    }
}

/// Logs tell the trace, too.
fn begin(span: &Span) {
    let context = span.context();
    span.record("trace_id", tracing::field::display(context.span().span_context().trace_id()));
}

fn outcome(span: &Span, failed: bool, refused: Option<Code>) {
    if let Some(code) = refused {
        span.record("error.type", code.as_str());
    }
    if failed {
        span.record("otel.status_code", "ERROR");
    }
}

/// The text of `traceparent` (W3C Trace Context), if there is one. `tracestate` isn't passed on.
struct Parent(Option<String>);

impl Parent {
    /// A context without a span if the text can't be read.
    fn context(&self) -> Context {
        TraceContextPropagator::new().extract_with_context(&Context::new(), self)
    }
}

impl Extractor for Parent {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.as_deref().filter(|_| key == TRACEPARENT)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

impl Injector for Parent {
    fn set(&mut self, key: &str, value: String) {
        if key == TRACEPARENT {
            self.0 = Some(value);
        }
    }
}
