//! What nats-server reads: keys, accounts and configuration of a Kez Chat deployment, and the nats-server binary itself.
//!
//! This crate writes files and asks the binary for its version; it may not know a connection, a running service or a runtime.
//! What a role may do is decided in [`kez_proto::subjects`]; here it is only written in nats-server's words.

pub mod binary;
pub mod config;
mod error;
pub mod keys;
pub mod ports;

pub use binary::NatsServer;
pub use config::SingleServer;
pub use error::Error;
pub use keys::{Keys, Owner};
