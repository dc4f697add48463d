//! A program in another language that a test drives by its standard input and output.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use kez_tests::within;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command as Program},
    sync::Mutex,
};

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The first of these programs that is on the PATH.
pub fn program(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut places =
        std::env::split_paths(&path).flat_map(|dir| names.iter().map(move |name| dir.join(name)));
    places.find(|place| place.is_file())
}

/// Node with its npm, if it is new enough for the tools that are used here.
pub fn node() -> Option<PathBuf> {
    let (node, _npm) = program(&["node"]).zip(program(&["npm"]))?;
    let version = String::from_utf8(Command::new(&node).arg("--version").output().ok()?.stdout).ok()?;
    let mut numbers = version.trim().trim_start_matches('v').split('.').map(|n| n.parse::<u32>().ok());
    (numbers.next()?? >= 20).then_some(node)
}

/// Held by whoever drives a browser: several at once on a small machine would wait for each other until somebody gives up.
pub static BROWSER: Mutex<()> = Mutex::const_new(());

/// Whether all of this is here, each named with how to get it. In CI it must be.
pub fn available(needed: &[(&str, bool)]) -> bool {
    let missing: Vec<_> = needed.iter().filter(|(_, here)| !here).map(|(what, _)| *what).collect();
    if missing.is_empty() {
        return true;
    }
    let why = format!("not tested, because this is missing: {}", missing.join("; "));
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{why}");
    // Past the test harness, which keeps what a test prints to itself.
    let _ = writeln!(std::io::stderr(), "{}: {why}", std::thread::current().name().unwrap_or("a test"));
    false
}

/// A running one; killed when dropped.
pub struct Script {
    name: String,
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    said: Vec<String>,
}

impl Script {
    /// Starts it; its standard error is the test's.
    pub fn start(program: &Path, script: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = Program::new(program);
        command.arg(script).envs(environment.iter().copied()).kill_on_drop(true);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let name = script.file_name().unwrap().to_string_lossy().into_owned();
        Self { name, input: child.stdin.take().unwrap(), output, child, said: vec![] }
    }

    /// Its next line; it must say one.
    pub async fn line(&mut self) -> String {
        let line = within(&format!("{} says something", self.name), self.output.next_line()).await.unwrap();
        let line = line.unwrap_or_else(|| panic!("{} ended after {:#?}", self.name, self.said));
        self.said.push(line.clone());
        line
    }

    /// Writes a line to it.
    pub async fn say(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// What it says until its end, and how it ended.
    pub async fn finish(mut self) -> (Vec<String>, ExitStatus) {
        while let Some(line) =
            within(&format!("{} says something or ends", self.name), self.output.next_line()).await.unwrap()
        {
            self.said.push(line);
        }
        let status = within(&format!("{} ends", self.name), self.child.wait()).await.unwrap();
        (self.said, status)
    }
}
