//! Client of Kez Chat: an identity, the API of a home server over HTTP and over NATS, and a mail stream that heals itself. The `kez` command is made
//! of it.
//!
//! This crate may not know any service, nor where NATS keeps what: it meets the server on its public HTTP API and on the client subjects alone, in
//! the words of `kez-proto`.

pub mod cursor;
pub mod error;
pub mod home;
pub mod http;
pub mod identity;
pub mod key_file;
pub mod nats;
pub mod progress;
pub mod retry;
pub mod sealing;
pub mod session;
pub mod sigchain;
pub mod stream;
pub mod text;

mod key_change;
mod transport;
mod wire;

pub use cursor::Cursor;
pub use error::Error;
pub use home::Home;
pub use http::Client;
pub use identity::Identity;
pub use session::Session;
pub use sigchain::Sigchain;
pub use stream::{Event, listen};

/// The present time as it stands on the wire.
pub fn now() -> kez_proto::Timestamp {
    time::OffsetDateTime::now_utc().into()
}
