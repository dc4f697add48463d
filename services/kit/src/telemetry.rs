//! What a process tells of itself while it runs: logs on standard error, and traces for OpenTelemetry. `RUST_LOG` filters the logs alone.

use std::io::{self, IsTerminal};

use clap::{Args, ValueEnum};
use tracing_subscriber::{EnvFilter, Layer, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    Failure,
    export::{Export, TraceArgs},
    metrics::Metrics,
    trace::TARGET,
};

/// How to log.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// Form of the log on standard error. What is logged is chosen with RUST_LOG, such as RUST_LOG=debug,async_nats=warn.
    #[arg(long, env = "KEZ_CHAT_LOG_FORMAT", value_name = "FORM", default_value = "text")]
    pub log_format: LogFormat,
}

/// Forms of the log.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging, and exporting if the arguments say where; once a process, outside of its runtime.
pub fn init(
    log: &LogArgs,
    trace: &TraceArgs,
    metrics: &Metrics,
    default_filter: &str,
) -> Result<Option<Export>, Failure> {
    let export = Export::start(trace, metrics)?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default_filter));
    // Where no layer wants them, spans aren't begun.
    let spans = format!("{TARGET}={}", if export.is_some() { "info" } else { "off" });
    let filter = filter.add_directive(spans.parse().map_err(Failure::internal)?);
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let lines = match log.log_format {
        LogFormat::Text => lines.with_filter(filter).boxed(),
        LogFormat::Json => lines.json().with_filter(filter).boxed(),
    };
    let registry = tracing_subscriber::registry().with(lines).with(export.as_ref().map(Export::layer));
    // A second start in one process (tests) keeps the first.
    let _ = registry.try_init();
    Ok(export)
}
