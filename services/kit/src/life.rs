//! The life of a process: read the configuration whole, log, run until a signal, drain within a deadline, exit with a code that says how it went.

use std::{
    collections::BTreeMap,
    future::Future,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex},
    time::Duration,
};

use clap::{Args, Parser};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    Failure, Kind, admin::AdminArgs, check, export::TraceArgs, metrics::Metrics, ready::Readiness, task,
    telemetry::LogArgs,
};

/// What every service's command line has.
#[derive(Args, Clone, Debug)]
pub struct ProcessArgs {
    /// How to log.
    #[command(flatten)]
    pub log: LogArgs,
    /// Where traces go.
    #[command(flatten)]
    pub trace: TraceArgs,
    /// Where the admin listener is.
    #[command(flatten)]
    pub admin: AdminArgs,
    /// Write the addresses in use, as JSON, to this file once everything is ready; for supervisors and scripts.
    #[arg(long, env = "KEZ_CHAT_READY_FILE", value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    /// Ask the instance that runs with this --admin-bind whether it is ready, and exit: 0 if it is. For health checks.
    #[arg(long)]
    pub check_ready: bool,
    /// Seconds that requests under way and open streams have to end after SIGTERM or Ctrl-C.
    #[arg(long, env = "KEZ_CHAT_DRAIN_SECONDS", value_name = "SECONDS", default_value_t = 5)]
    pub drain_seconds: u64,
}

impl ProcessArgs {
    /// The drain window.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }
}

/// What a running service shares with its process.
#[derive(Clone, Debug, Default)]
pub struct Life {
    /// Cancelled when the work must end: refuse new work, finish what is under way.
    pub shutdown: CancellationToken,
    /// Cancelled when the process is about to exit.
    pub closed: CancellationToken,
    /// Whether it takes work.
    pub ready: Readiness,
    /// What it counts.
    pub metrics: Metrics,
    addresses: Arc<Mutex<BTreeMap<&'static str, String>>>,
}

impl Life {
    /// The same process, with a shutdown of its own: parts of one process end in order.
    pub fn part(&self) -> Self {
        Self { shutdown: CancellationToken::new(), ..self.clone() }
    }

    /// The same process, for a dependency whose loss isn't a reason to give the process no more work: its gate counts nowhere.
    pub fn aside(&self) -> Self {
        Self { ready: Readiness::default(), ..self.clone() }
    }

    /// Makes an address known, to the ready file and to whoever prints it.
    pub fn announce(&self, name: &'static str, address: String) {
        self.addresses.lock().unwrap_or_else(|e| e.into_inner()).insert(name, address);
    }

    /// What was announced under this name.
    pub fn address(&self, name: &str) -> Option<String> {
        self.addresses.lock().unwrap_or_else(|e| e.into_inner()).get(name).cloned()
    }

    fn write_ready_file(&self, file: &Path) -> std::io::Result<()> {
        let addresses = self.addresses.lock().unwrap_or_else(|e| e.into_inner()).clone();
        // Whoever waits for the file finds it whole.
        let temporary = file.with_extension("tmp");
        std::fs::write(&temporary, serde_json::to_vec(&addresses)?)?;
        std::fs::rename(temporary, file)
    }
}

/// A command line that is a service's configuration.
pub trait Config: Parser {
    /// What is logged where RUST_LOG says nothing.
    const LOG: &str = "info,async_nats=off";
    /// The part that all services have.
    fn process(&self) -> &ProcessArgs;
}

/// `main` of every service.
pub fn main<C: Config, F: Future<Output = Result<(), Failure>>>(run: impl FnOnce(C, Life) -> F) -> ExitCode {
    let config = C::parse();
    let process = config.process().clone();
    if process.check_ready {
        return check::ready(process.admin.admin_bind).map_or_else(|f| report(&f), |()| ExitCode::SUCCESS);
    }
    let life = Life::default();
    let export = match crate::telemetry::init(&process.log, &process.trace, &life.metrics, C::LOG) {
        Ok(export) => export,
        Err(failure) => return report(&failure),
    };
    raise_open_files();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return report(&Failure::internal(format_args!("can't start: {e}"))),
    };
    let outcome = runtime.block_on(async {
        watch_signals(&life, process.drain())?;
        if let Some(file) = process.ready_file.clone() {
            let _ = std::fs::remove_file(&file);
            let life = life.clone();
            task::spawn("ready-file", async move {
                life.ready.wait().await;
                if let Err(error) = life.write_ready_file(&file) {
                    tracing::error!(%error, file = %file.display(), "can't write the ready file");
                }
            });
        }
        let outcome = run(config, life.clone()).await;
        life.closed.cancel();
        outcome
    });
    // Tasks that block (a disk that hangs) don't hold the exit.
    runtime.shutdown_timeout(Duration::from_millis(500));
    if let Some(export) = export {
        export.end();
    }
    match outcome {
        Ok(()) => {
            tracing::info!("stopped");
            ExitCode::SUCCESS
        }
        Err(Failure { kind: Kind::Stopped, message }) => {
            tracing::info!("{message}");
            ExitCode::SUCCESS
        }
        Err(failure) => report(&failure),
    }
}

/// Each connection is an open file, and the usual soft limit of 1024 is far below what the machine takes.
fn raise_open_files() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    match raised {
        Ok(()) => {}
        Err(error) => {
            tracing::warn!(%error, "the limit of open files can't be raised; raise it with ulimit -n")
        }
    }
}

fn report(failure: &Failure) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "error: {failure}");
    failure.exit_code()
}

/// The first signal starts the drain; a second one, or a drain that overruns, ends the process at once.
fn watch_signals(life: &Life, drain: Duration) -> Result<(), Failure> {
    let mut term = signal(SignalKind::terminate()).map_err(Failure::internal)?;
    let mut int = signal(SignalKind::interrupt()).map_err(Failure::internal)?;
    let life = life.clone();
    task::spawn("signals", async move {
        let any = async || tokio::select! { _ = term.recv() => "SIGTERM", _ = int.recv() => "SIGINT" };
        let mut any = any;
        let signal = any().await;
        tracing::info!(signal, "stopping");
        life.shutdown.cancel();
        let overrun = drain + Duration::from_secs(10);
        tokio::select! {
            _ = any() => tracing::warn!("second signal: stopping at once"),
            () = tokio::time::sleep(overrun) => tracing::error!(?overrun, "stopping took too long: ending now"),
            () = life.closed.cancelled() => return,
        }
        #[allow(clippy::disallowed_methods, reason = "the orderly way has failed or was declined")]
        std::process::exit(1);
    });
    Ok(())
}
