//! The nats-server that this process starts, starts again if it dies, and stops at the end.
//!
//! It must never outlive us unnoticed, nor be stopped before us: it has a process group of its own (Ctrl-C in a terminal goes to us alone), the
//! kernel tells it when we die, and what a kill left behind all the same is ended at the next start.

use std::{
    fs, io,
    os::unix::process::CommandExt,
    path::Path,
    process::{self, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use kez_kit::{Failure, Kind, Life};
use kez_nats::{Error, Keys, NatsServer, ports};
use kez_proto::limits;
use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::sync::watch;

use crate::{
    data::Data,
    listeners::{Addresses, Listeners},
};

/// A nats-server that is asked to stop has this long.
const STOP: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// A running, watched nats-server.
pub struct Child {
    pub addresses: Addresses,
    pub version: String,
    shared: Arc<Shared>,
    state: watch::Receiver<State>,
}

/// Ends the child, which the supervisor then starts again.
pub struct Restart(Arc<Shared>);

impl Restart {
    /// Does it.
    pub fn now(&self) {
        signal(self.0.pid.load(Ordering::SeqCst), Signal::SIGTERM);
    }
}

struct Shared {
    stopping: AtomicBool,
    pid: AtomicI32,
}

#[derive(Clone, Debug)]
enum State {
    Starting,
    Running(u32),
    /// It couldn't be started, or ended by itself; it is started again.
    Failed(String),
    Stopped,
}

impl Child {
    /// Starts it and waits until it takes clients.
    pub async fn start(
        binary: NatsServer,
        data: &Data,
        keys: &Keys,
        listeners: &Listeners,
        life: &Life,
    ) -> Result<Self, Failure> {
        end_leftover(&data.nats_pid(), &data.nats_config()).await;
        // An old file would be believed if its process id came again.
        clear(&data.nats_ports())?;
        let mut chosen = listeners.choose()?;
        write_config(data, keys, listeners, chosen)?;
        binary.check(&data.nats_config()).map_err(|e| refusal(e, listeners))?;
        let version = binary.version().to_string();
        let shared = Arc::new(Shared { stopping: AtomicBool::new(false), pid: AtomicI32::new(0) });
        let (sender, mut state) = watch::channel(State::Starting);
        let config = data.nats_config();
        let (path, watched) = (binary.path().to_owned(), shared.clone());
        // A thread of its own: the kernel's notice of our death is tied to the thread that started the child, so that one must last.
        let supervisor = move || supervise(&path, &config, &watched, &sender);
        thread::Builder::new().name("nats-server".into()).spawn(supervisor).map_err(Failure::internal)?;

        let listening = loop {
            match ready(&mut state, data, life).await {
                Ok(listening) => break listening,
                Err(failure) => {
                    let others = listeners.choose_again(chosen);
                    if others == chosen {
                        return Err(failure);
                    }
                    chosen = others;
                    write_config(data, keys, listeners, chosen)?;
                }
            }
        };
        let mut addresses = chosen;
        addresses.clients.set_port(listening.clients.port());
        addresses.browsers.set_port(listening.websocket.map_or(0, |browsers| browsers.port()));
        if addresses != chosen {
            // When it is started again it must come back where the services and the clients look for it.
            write_config(data, keys, listeners, addresses)?;
        }
        Ok(Self { addresses, version, shared, state })
    }

    /// The means to have it start anew.
    pub fn restart(&self) -> Restart {
        Restart(self.shared.clone())
    }

    /// Stops it and waits until it has ended.
    pub async fn stop(mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        let begun = Instant::now();
        // Asked again and again: it may be just being started.
        while !matches!(*self.state.borrow_and_update(), State::Stopped) {
            let overdue = begun.elapsed() > STOP;
            if overdue {
                tracing::warn!("nats-server didn't stop in {STOP:?}: ending it");
            }
            signal(
                self.shared.pid.load(Ordering::SeqCst),
                if overdue { Signal::SIGKILL } else { Signal::SIGTERM },
            );
            let _ = tokio::time::timeout(Duration::from_millis(500), self.state.changed()).await;
        }
    }
}

fn clear(folder: &Path) -> Result<(), Failure> {
    let clear = || fs::read_dir(folder)?.try_for_each(|file| fs::remove_file(file?.path()));
    clear().map_err(|e| Failure::new(Kind::Disk, format!("can't clear {}: {e}", folder.display())))
}

fn signal(pid: i32, signal: Signal) {
    // 0 would mean our own process group.
    if pid > 0 {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// Writes the configuration of a nats-server for this data folder.
pub fn write_config(
    data: &Data,
    keys: &Keys,
    listeners: &Listeners,
    addresses: Addresses,
) -> Result<(), Failure> {
    let mut server = kez_nats::Server::new("kez-chat", addresses.clients, data.jetstream());
    listeners.set(&mut server, addresses);
    // However many the deployment has, which only its streams tell, the fan-out may use them.
    server.partitions = limits::PARTITIONS_MAX;
    server.ports_dir = Some(data.nats_ports());
    server.pid_file = Some(data.nats_pid());
    server.log_file = Some(data.nats_log());
    let path = data.nats_config();
    let text = server.render(keys).map_err(crate::failure)?;
    fs::write(&path, text)
        .map_err(|e| Failure::new(Kind::Disk, format!("can't write {}: {e}", path.display())))
}

/// What comes from outside of a configuration that nats-server refuses are the files of TLS.
fn refusal(error: Error, listeners: &Listeners) -> Failure {
    match error {
        Error::ConfigRefused(words) if listeners.certificate().is_some() && words.contains("cert") => {
            let words = words.lines().last().unwrap_or_default();
            let message =
                format!("nats-server doesn't take the files of --nats-tls-cert and --nats-tls-key: {words}");
            Failure::new(Kind::Configuration, message)
        }
        other => crate::failure(other),
    }
}

/// Waits until the child takes clients. Reading its streams back takes as long as they are large, so only its end is a failure.
async fn ready(
    state: &mut watch::Receiver<State>,
    data: &Data,
    life: &Life,
) -> Result<ports::Addresses, Failure> {
    let begun = Instant::now();
    // A failure that was seen before isn't told again.
    if matches!(*state.borrow(), State::Failed(_)) {
        let _ = state.wait_for(|s| matches!(s, State::Running(_))).await;
    }
    let mut told = Duration::from_secs(2);
    loop {
        let now = state.borrow_and_update().clone();
        match now {
            State::Failed(why) => {
                let log = data.nats_log();
                let words =
                    last_line(&log).map(|line| format!("its last words: {line}; ")).unwrap_or_default();
                let message = format!("nats-server doesn't start: {why}; {words}see {}", log.display());
                return Err(Failure::new(Kind::NatsServer, message));
            }
            State::Running(pid) => {
                let listening = ports::addresses(&data.nats_ports(), pid).map_err(crate::failure)?;
                if let Some(listening) = listening {
                    return Ok(listening);
                }
            }
            State::Starting | State::Stopped => {}
        }
        if begun.elapsed() > told {
            tracing::info!(
                seconds = begun.elapsed().as_secs(),
                "waiting for nats-server to read its streams"
            );
            told += Duration::from_secs(2);
        }
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            () = life.shutdown.cancelled() => return Err(Failure::new(Kind::Stopped, "stopped before nats-server was ready")),
        }
    }
}

fn last_line(log: &Path) -> Option<String> {
    let text = fs::read_to_string(log).ok()?;
    text.lines()
        .rev()
        .find(|line| line.contains("[FTL]") || line.contains("[ERR]"))
        .map(|line| line.trim().to_owned())
}

/// Keeps one child running until told to stop.
fn supervise(path: &Path, config: &Path, shared: &Shared, state: &watch::Sender<State>) {
    let mut quick_deaths = 0u32;
    while !shared.stopping.load(Ordering::SeqCst) {
        let begun = Instant::now();
        let ended = start(path, config).and_then(|mut child| {
            shared.pid.store(child.id() as i32, Ordering::SeqCst);
            state.send_replace(State::Running(child.id()));
            child.wait()
        });
        shared.pid.store(0, Ordering::SeqCst);
        if shared.stopping.load(Ordering::SeqCst) {
            break;
        }
        let why = describe(&ended);
        quick_deaths = if begun.elapsed() < Duration::from_secs(5) { quick_deaths + 1 } else { 0 };
        tracing::warn!(why, "nats-server ended; starting it again");
        // Whoever waits for the first start is told; later the services wait for its return by themselves.
        state.send_replace(State::Failed(why));
        #[allow(clippy::disallowed_methods, reason = "a thread of its own, with nothing else to do")]
        thread::sleep(Duration::from_millis(100 << quick_deaths.min(6)));
    }
    state.send_replace(State::Stopped);
}

fn describe(ended: &io::Result<ExitStatus>) -> String {
    match ended {
        Ok(status) => format!("it ended with {status}"),
        Err(e) => e.to_string(),
    }
}

#[allow(unsafe_code, reason = "pre_exec: the two calls inside are async-signal-safe system calls")]
fn start(path: &Path, config: &Path) -> io::Result<process::Child> {
    let mut command = Command::new(path);
    command
        .arg("-c")
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    #[cfg(target_os = "linux")]
    {
        let parent = nix::unistd::getpid();
        // SAFETY: runs between fork and exec; prctl and getppid neither allocate nor lock.
        unsafe {
            command.pre_exec(move || {
                nix::sys::prctl::set_pdeathsig(Signal::SIGTERM)?;
                // We may have died before the call took effect.
                if nix::unistd::getppid() == parent { Ok(()) } else { Err(io::Error::from(Errno::ESRCH)) }
            });
        }
    }
    command.spawn()
}

/// Ends a nats-server that an earlier process of this data folder left behind. We hold the folder's lock, so nobody else uses it.
async fn end_leftover(pid_file: &Path, config: &Path) {
    let Some(pid) = fs::read_to_string(pid_file).ok().and_then(|text| text.trim().parse::<i32>().ok()) else {
        return;
    };
    let runs = || is_ours(pid, config);
    if !runs() {
        return;
    }
    tracing::info!(pid, "ending the nats-server that an earlier run left behind");
    for how in [Signal::SIGTERM, Signal::SIGKILL] {
        signal(pid, how);
        let begun = Instant::now();
        while runs() && begun.elapsed() < STOP {
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Whether this process is a nats-server with our configuration: process ids are used again.
fn is_ours(pid: i32, config: &Path) -> bool {
    let Ok(command) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    command.split(|&b| b == 0).any(|argument| argument == config.as_os_str().as_encoded_bytes())
}
