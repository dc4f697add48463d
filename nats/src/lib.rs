//! What nats-server reads: keys, accounts and configuration of a Kez Chat deployment, and the nats-server binary itself.
//!
//! This crate writes files and asks the binary for its version; it may not know a connection, a running service or a runtime.
//! What a role may do is decided in [`kez_proto::subjects`]; here it is only written in nats-server's words.

pub mod audit;
pub mod binary;
pub mod conf;
pub mod config;
mod error;
mod folder;
pub mod keys;
mod origin;
pub mod ports;
mod render;
pub mod rotation;
mod seed;
pub mod session_keys;

pub use binary::NatsServer;
pub use config::Server;
pub use error::Error;
pub use keys::{Keys, Owner};
pub use origin::Origin;
pub use seed::{read as read_seed, user_key};
