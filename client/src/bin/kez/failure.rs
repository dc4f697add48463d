//! How a command ends when it doesn't succeed.

use std::{fmt::Display, io};

use kez_client::{
    Error, home,
    sealing::{KeyChanged, SealError},
};
use kez_proto::Code;

/// A command's bad end, with its exit status.
#[derive(Debug)]
pub enum Failure {
    /// The command line asks for something that can't be meant (exit status 2).
    Usage(String),
    /// It was refused, or didn't work (exit status 1).
    Refused { message: String, code: Option<Code> },
    /// What was to be verified isn't good (exit status 1); `name` is for programs, in the place of a code.
    Verdict { name: &'static str, message: String },
    /// Nobody reads our output any more, as with `kez inbox | head -1`: no failure (exit status 0).
    NoReader,
}

impl Failure {
    pub fn refused(message: impl Display) -> Self {
        Self::Refused { message: message.to_string(), code: None }
    }

    /// What is wrong, for people.
    pub fn message(&self) -> &str {
        match self {
            Self::Usage(message) | Self::Refused { message, .. } | Self::Verdict { message, .. } => message,
            Self::NoReader => "nobody reads the output any more",
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Error::Untrusted { reason, .. } = &error {
            return Self::Verdict { name: reason.as_str(), message: error.to_string() };
        }
        let code = error.code();
        let message = match code {
            Some(Code::StaleTimestamp) => format!(
                "the clocks of this computer and of the server differ too much; here it is {}. Set the clock right and try again",
                kez_client::now()
            ),
            Some(Code::BadSignature) => format!(
                "{error}; is this the key that the handle belongs to? If it took another one's place, and the handle didn't follow: kez sigchain publish"
            ),
            None if matches!(error, Error::Denied { .. }) => {
                format!(
                    "{error}. Look who you are with: kez whoami; take a name there with: kez register <handle>"
                )
            }
            None if matches!(error, Error::Exposed { .. }) => {
                format!(
                    "{error}. Do the same without --nats, over HTTPS, or name an address that has TLS: --nats=tls://host:port"
                )
            }
            None if matches!(error, Error::Certificate { .. }) => format!(
                "{error}. Is the address right? Where a server has an authority of its own, name its certificate: --nats-ca FILE"
            ),
            _ => error.to_string(),
        };
        Self::Refused { message, code }
    }
}

impl From<home::Error> for Failure {
    fn from(error: home::Error) -> Self {
        match error {
            home::Error::NoIdentity(_) => Self::refused(format!("{error}; make one with: kez identity new")),
            _ => Self::refused(error),
        }
    }
}

impl From<Box<KeyChanged>> for Failure {
    fn from(changed: Box<KeyChanged>) -> Self {
        let (handle, key) = (&changed.handle, changed.offered);
        let message = format!(
            "{changed}. Nothing was sent. Ask them, but not over this server, for the key that kez whoami shows them; if it is this one: kez send --key {key} {handle} …"
        );
        Self::Verdict { name: changed.as_str(), message }
    }
}

impl From<SealError> for Failure {
    fn from(error: SealError) -> Self {
        let code = matches!(error, SealError::TooLarge { .. }).then_some(Code::TooLarge);
        Self::Refused { message: error.to_string(), code }
    }
}

/// Errors of our own output; other files' errors are [`home::Error`].
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::NoReader,
            _ => Self::refused(format!("can't write the output: {error}")),
        }
    }
}

impl From<getrandom::Error> for Failure {
    fn from(error: getrandom::Error) -> Self {
        Self::refused(format!("the system gives no randomness: {error}"))
    }
}
