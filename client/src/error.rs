//! What can go wrong between a client and its server: a kind for programs, a sentence for people.

use std::time::Duration;

use kez_proto::{Code, Problem, error::Action, identity::Key};

use crate::sigchain::Untrusted;

/// An answer that isn't a success, or none at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The server refused, and said why.
    #[error(transparent)]
    Problem(#[from] Problem),
    /// The server wasn't reached, or fell silent.
    #[error("can't reach {url}: {reason} (is the server running, is the URL right, is the network up?)")]
    Transport {
        /// The server's address.
        url: String,
        /// What happened.
        reason: String,
    },
    /// Something answered that doesn't speak this protocol.
    #[error("{url} doesn't answer as a Kez Chat server: {detail}")]
    Protocol {
        /// The server's address.
        url: String,
        /// The HTTP status, where there is one.
        status: Option<u16>,
        /// What was wrong.
        detail: String,
    },
    /// The server doesn't let this key in over NATS, where it gives no reason.
    #[error("{url} doesn't let this key in: {reason}")]
    Denied {
        /// The server's address.
        url: String,
        /// What it may be.
        reason: String,
    },
    /// A server that is reached with TLS names a NATS without it.
    #[error(
        "{server} says that its NATS is at {url}, which has no TLS: others could read and change what is sent there"
    )]
    Exposed {
        /// The server's address.
        server: String,
        /// The address of its NATS.
        url: String,
    },
    /// The server doesn't prove by its certificate that it is the one that was named.
    #[error("{url} can't be trusted: {reason}")]
    Certificate {
        /// The server's address.
        url: String,
        /// What is wrong with its certificate.
        reason: String,
    },
    /// The server gives an identity log that can't be believed.
    #[error("the identity log of {key} that {url} gives can't be believed: {reason}")]
    Untrusted {
        /// The server's address.
        url: String,
        /// The key that was asked for.
        key: Box<Key>,
        /// Why not.
        reason: Untrusted,
    },
    /// The server's address can't be used.
    #[error("{url:?} isn't a server's URL: {detail}")]
    Address {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        detail: String,
    },
}

impl Error {
    /// The server's own code, if it gave one.
    pub fn code(&self) -> Option<Code> {
        match self {
            Error::Problem(problem) => Some(problem.code),
            _ => None,
        }
    }

    /// Whether the same request may succeed a little later. A proxy's own error pages count: they come and go with the server behind it.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Problem(problem) => problem.code.action() == Action::Retry,
            Error::Transport { .. } => true,
            Error::Protocol { status, .. } => matches!(status, Some(408 | 425 | 429 | 502..=504)),
            Error::Denied { .. }
            | Error::Certificate { .. }
            | Error::Exposed { .. }
            | Error::Untrusted { .. }
            | Error::Address { .. } => false,
        }
    }

    /// Whether the same request may succeed when it is signed anew.
    pub fn wants_new_signature(&self) -> bool {
        self.code().is_some_and(|code| code.action() == Action::SignAgain)
    }

    /// How long the server asked to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::Problem(problem) => problem.retry_after.map(|s| Duration::from_secs(s.into())),
            _ => None,
        }
    }

    /// From a failure of the HTTP library. Its own words are about itself; the cause at the bottom of the chain is what helps.
    pub(crate) fn transport(url: &str, error: &reqwest::Error) -> Self {
        let mut cause: &dyn std::error::Error = error;
        while let Some(next) = cause.source() {
            cause = next;
        }
        let reason = match () {
            () if error.is_timeout() && error.is_connect() => "no connection in time".to_owned(),
            () if error.is_timeout() => "no answer in time".to_owned(),
            () => cause.to_string(),
        };
        Error::Transport { url: url.to_owned(), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worth_another_try() {
        let page = |status| Error::Protocol { url: "u".into(), status, detail: String::new() };
        assert!(Error::from(Problem::from(Code::Unavailable)).is_transient());
        assert!(Error::from(Problem::from(Code::RateLimited)).is_transient());
        assert!(!Error::from(Problem::from(Code::UnknownHandle)).is_transient());
        assert!(!Error::from(Problem::from(Code::StaleTimestamp)).is_transient());
        assert!(Error::from(Problem::from(Code::StaleTimestamp)).wants_new_signature());
        assert!(
            page(Some(502)).is_transient() && !page(Some(404)).is_transient() && !page(None).is_transient()
        );
        assert!(Error::Transport { url: "u".into(), reason: String::new() }.is_transient());
    }
}
