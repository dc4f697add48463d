//! A real binary as a process.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use tempfile::TempDir;

use crate::{net::Host, wait::eventually};

/// A running binary; killed when dropped. Its output goes to a file that is shown if the test fails.
pub struct Process {
    name: String,
    child: Child,
    dir: TempDir,
    /// Addresses from the ready file.
    pub addresses: BTreeMap<String, String>,
}

/// The built binary of the workspace.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let profile = test.ancestors().find(|dir| dir.join("deps").is_dir()).expect("a test runs below target/");
    let path = profile.join(name);
    assert!(path.is_file(), "{} isn't built; run `make test`", path.display());
    path
}

/// Sends a signal to the process group that a child leads, as Ctrl-C in a terminal does.
pub fn kill_group(child: &Child, signal: Signal) {
    let _ = killpg(Pid::from_raw(child.id() as i32), signal);
}

impl Process {
    /// Starts it with these arguments and no KEZ or OTEL variables from outside.
    pub fn spawn(name: &str, arguments: &[String]) -> Self {
        Self::spawn_with(name, arguments, &[])
    }

    /// The same with environment variables.
    pub fn spawn_with(name: &str, arguments: &[String], environment: &[(&str, &str)]) -> Self {
        Self::spawn_by(Command::new(binary(name)), name, arguments, environment)
    }

    /// This program, on a host of its own.
    pub fn spawn_on(
        host: &Host,
        program: &Path,
        name: &str,
        arguments: &[String],
        environment: &[(&str, &str)],
    ) -> Self {
        Self::spawn_by(host.command(program), name, arguments, environment)
    }

    fn spawn_by(
        mut command: Command,
        name: &str,
        arguments: &[String],
        environment: &[(&str, &str)],
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = File::create(dir.path().join("log")).unwrap();
        for (key, _) in
            std::env::vars().filter(|(key, _)| key.starts_with("KEZ_") || key.starts_with("OTEL_"))
        {
            command.env_remove(key);
        }
        command
            .args(arguments)
            .arg("--ready-file")
            .arg(dir.path().join("ready"))
            .envs(environment.iter().copied())
            .env("RUST_LOG", std::env::var("RUST_LOG").unwrap_or("info".into()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let child = command.spawn().unwrap_or_else(|e| panic!("{name} can't be started: {e}"));
        Self { name: name.into(), child, dir, addresses: BTreeMap::new() }
    }

    /// Waits until it says that it is ready.
    pub async fn ready(&mut self) -> &mut Self {
        let file = self.dir.path().join("ready");
        let what = format!("{} is ready", self.name);
        let addresses = eventually(&what, async || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{} ended with {status}:\n{}", self.name, self.log());
            }
            fs::read(&file).ok()
        });
        let addresses = addresses.await;
        self.addresses = serde_json::from_slice(&addresses).unwrap();
        self
    }

    /// What it announced under this name.
    pub fn address(&self, name: &str) -> &str {
        self.addresses
            .get(name)
            .unwrap_or_else(|| panic!("{} announced no {name}: {:?}", self.name, self.addresses))
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        eventually(&format!("{} ends", self.name), async || self.child.try_wait().unwrap()).await
    }

    /// SIGTERM, and its end.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.ended().await
    }

    /// kill -9, and its end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    /// All that it wrote.
    pub fn log(&self) -> String {
        read(&self.dir.path().join("log"))
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            eprintln!(
                "--- the last words of {}:\n{}",
                self.name,
                lines[lines.len().saturating_sub(40)..].join("\n")
            );
        }
    }
}
