//! Why a process can't start or go on: one line for a person, one exit code for a supervisor.

use std::{fmt, io, net::SocketAddr, process::ExitCode};

/// The kinds of failure, each with an exit code of its own (0 is a clean end, 2 is bad usage, by clap).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// None: the process was told to stop before it was ready.
    Stopped = 0,
    /// Anything else; a bug or a broken machine.
    Internal = 1,
    /// Flags and variables that don't fit together.
    Configuration = 2,
    /// A port that something else listens on.
    AddressInUse = 10,
    /// A data folder that another instance uses.
    DataInUse = 11,
    /// No nats-server, or one that is too old or doesn't start.
    NatsServer = 12,
    /// A disk that is full or can't be written.
    Disk = 13,
    /// Configuration that contradicts what the deployment was created with.
    Deployment = 14,
}

/// A failure that ends the process.
#[derive(Debug)]
pub struct Failure {
    /// For the exit code.
    pub kind: Kind,
    /// One line: what is wrong, and the next step.
    pub message: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// A failure that has no kind of its own.
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::new(Kind::Internal, message.to_string())
    }

    /// What an error of opening a listener means.
    pub fn bind(addr: SocketAddr, flag: &str, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::new(
                Kind::AddressInUse,
                format!("{addr} is in use by another program; choose another address with {flag}"),
            ),
            _ => Self::new(
                Kind::Configuration,
                format!("can't listen on {addr}: {error}; choose another address with {flag}"),
            ),
        }
    }

    /// The exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
