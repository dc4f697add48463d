//! Starts that can't succeed: one clear line on standard error that names the next step, an exit code of its own, and nothing left behind.

mod data;
mod flags;
mod listeners;
mod nats;
mod ports;
mod seeds;

use std::{path::Path, process::Stdio};

use kez_tests::{ChatServer, process::binary, within};
use tokio::process::Command;

/// How a start ended.
pub struct Refused {
    pub code: i32,
    pub stderr: String,
}

/// The usual command line on this folder with some flags given, instead of their usual value where they have one.
pub fn arguments(db: &Path, flags: &[(&str, &str)]) -> Vec<String> {
    let mut arguments = ChatServer::arguments(db, "127.0.0.1:0");
    for (flag, value) in flags {
        match arguments.iter().position(|a| a == flag) {
            Some(n) => arguments[n + 1] = value.to_string(),
            None => arguments.extend([flag.to_string(), value.to_string()]),
        }
    }
    arguments
}

/// Starts it, which must fail.
pub async fn refused(arguments: &[String]) -> Refused {
    refused_service("kez-chat-server", arguments).await
}

/// Starts this service, which must fail.
pub async fn refused_service(name: &str, arguments: &[String]) -> Refused {
    let mut command = Command::new(binary(name));
    for (name, _) in
        std::env::vars().filter(|(name, _)| name.starts_with("KEZ_") || name.starts_with("RUST_"))
    {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = within(&format!("{arguments:?} ends"), command.output()).await.unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let code = output.status.code().unwrap_or_else(|| panic!("it was killed:\n{stderr}"));
    assert!(!stderr.contains("panicked") && !stderr.contains("backtrace"), "{stderr}");
    Refused { code, stderr }
}

impl Refused {
    /// One line says it all: with this exit code, and these words in it.
    pub fn in_one_line(&self, code: i32, words: &[&str]) -> &Self {
        let lines: Vec<_> = self.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!((self.code, lines.len()), (code, 1), "{}", self.stderr);
        assert_eq!(self.stderr.lines().last(), Some(lines[0]), "it isn't the last word:\n{}", self.stderr);
        for word in words {
            assert!(lines[0].contains(word), "{word} isn't named: {}", lines[0]);
        }
        self
    }

    /// Nothing else was said, for nothing was begun.
    pub fn and_nothing_else(&self) {
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
    }
}
