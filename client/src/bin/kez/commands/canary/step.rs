//! What can fail, and within what time.

use std::{fmt, future::Future, time::Duration};

use tokio::time::timeout;

use crate::failure::Failure;

/// The steps of a round, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Register,
    Connect,
    Send,
    Arrive,
    Open,
    Delete,
}

impl Step {
    pub const ALL: [Self; 6] =
        [Self::Register, Self::Connect, Self::Send, Self::Arrive, Self::Open, Self::Delete];

    pub fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Connect => "connect",
            Self::Send => "send",
            Self::Arrive => "arrive",
            Self::Open => "open",
            Self::Delete => "delete",
        }
    }
}

/// The two ways to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Http,
    Nats,
}

impl Way {
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Nats => "nats",
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "HTTP",
            Self::Nats => "NATS",
        })
    }
}

/// A round that ended before its time.
#[derive(Debug)]
pub struct Failed {
    pub step: Step,
    pub way: Way,
    pub deadline: Duration,
    pub failure: Failure,
}

impl Failed {
    /// Turns a failure into that of a step.
    pub fn at<E: Into<Failure>>(step: Step, way: Way, deadline: Duration) -> impl FnOnce(E) -> Self {
        move |error| Self { step, way, deadline, failure: error.into() }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, way, deadline, failure } = self;
        let (step, deadline) = (step.name(), deadline.as_secs());
        write!(f, "failed at {step} over {way}, within {deadline} s: {}", failure.message())
    }
}

impl From<Failed> for Failure {
    fn from(failed: Failed) -> Self {
        match failed.failure {
            failure @ (Failure::Usage(_) | Failure::NoReader) => failure,
            _ => Self::Verdict { name: failed.step.name(), message: failed.to_string() },
        }
    }
}

/// Does a step, within its deadline.
pub async fn within<T, E: Into<Failure>>(
    step: Step,
    way: Way,
    deadline: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Failed> {
    let outcome = match timeout(deadline, work).await {
        Ok(outcome) => outcome.map_err(Into::into),
        Err(_) => Err(Failure::refused("no answer in time")),
    };
    outcome.map_err(Failed::at::<Failure>(step, way, deadline))
}
