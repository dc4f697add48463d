//! The same mail over NATS: log in with a key or a session, ask, and listen. Over TCP (`nats://`, `tls://`) or a WebSocket (`ws://`, `wss://`).
//!
//! Nothing here knows a stream or a service: it meets the server on the client subjects of [`kez_proto::subjects`] alone.

pub mod address;
mod authority;
mod connection;
mod feed;
mod listen;
mod login;

pub use authority::Authority;
pub use connection::{Connection, Nats};
pub use listen::{Mail, listen};
pub use login::Credential;
