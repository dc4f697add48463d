//! `make bench`: how fast it is and what it costs, each figure beside its floor, all systems in turn in one run. docs/performance.md says what the figures mean.

#![allow(clippy::disallowed_macros, reason = "a program of its own")]
#![allow(clippy::unwrap_used, reason = "it measures, or it fails")]

mod arrivals;
mod http;
mod message;
mod pacer;
mod process;
mod report;
mod sections;
mod systems;

use std::{path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};

use crate::{report::Report, sections::Scale};

/// Measures Kez Chat beside its floors. Nothing else should run on the machine meanwhile.
///
/// Example: kez-bench --repeats 5 latency throughput
#[derive(Parser, Debug)]
#[command(version, max_term_width = 100)]
struct Arguments {
    /// What is measured [default: everything].
    #[arg(value_enum)]
    sections: Vec<Section>,
    /// Each measurement is made so often; tables have the medians.
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// How long a load lasts.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    seconds: u64,
    /// Idle streams: the larger number; the smaller is a tenth.
    #[arg(long, default_value_t = 10_000)]
    streams: usize,
    /// Where report.json and report.md go.
    #[arg(long, value_name = "FOLDER", default_value = "target/bench")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Section {
    Latency,
    Throughput,
    Streams,
    Requests,
    /// The floor of HTTP, as the process that it is: it starts itself so.
    #[value(hide = true)]
    Broadcast,
}

const ALL: [Section; 4] = [Section::Latency, Section::Throughput, Section::Streams, Section::Requests];

#[tokio::main(worker_threads = 2)]
async fn main() {
    let arguments = Arguments::parse();
    if arguments.sections == [Section::Broadcast] {
        return systems::serve_broadcast().await;
    }
    raise_the_limit_of_files();
    let scale = Scale {
        repeats: arguments.repeats,
        lasts: Duration::from_secs(arguments.seconds),
        streams: [arguments.streams / 10, arguments.streams],
    };
    let sections = if arguments.sections.is_empty() { ALL.to_vec() } else { arguments.sections };
    let mut report = Report::default();
    for section in sections {
        match section {
            Section::Latency => sections::latency::run(scale, &mut report).await,
            Section::Throughput => sections::throughput::run(scale, &mut report).await,
            Section::Streams => sections::streams::run(scale, &mut report).await,
            Section::Requests => sections::requests::run(scale, &mut report).await,
            Section::Broadcast => unreachable!("it is alone"),
        }
        // What was measured isn't lost if a later section fails.
        report.write(&arguments.out);
    }
    print!("{}", report.table());
}

/// One open file for each stream; the processes that are started from here have the same limit.
fn raise_the_limit_of_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
}
