//! What can be wrong with the index, and sled's way of saying so.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
};

use kez_proto::{Code, Problem};

/// Why the index can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It contradicts itself; only a new one helps.
    #[error("the index is damaged: {0}")]
    Damaged(String),
    /// The disk or the file system refuses.
    #[error("{0}")]
    Disk(io::Error),
}

impl From<sled::Error> for Error {
    fn from(e: sled::Error) -> Self {
        match e {
            sled::Error::Io(e)
                if matches!(e.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) =>
            {
                Self::Damaged(e.to_string())
            }
            sled::Error::Io(e) => Self::Disk(e),
            e => Self::Damaged(e.to_string()),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        tracing::error!(%error, "the index can't be read");
        Code::Internal.into()
    }
}

/// What is wrong, as an error.
pub fn damaged(what: impl ToString) -> Error {
    Error::Damaged(what.to_string())
}

/// sled 0.34 panics where it finds damage; here that is an error like any other.
pub fn guard<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text =
            panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(damaged(text.unwrap_or("sled panicked")))
    })
}
