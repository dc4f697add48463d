//! The contract of Kez Chat. Everything that two processes must agree on is here and nowhere else:
//! wire types, NATS subjects, header names, limits, error codes, and the rules of identity.
//!
//! This crate may not know a socket, a file, a clock or a runtime: time comes in as an argument, and every
//! rule is a plain function with plain tests.

pub mod auth;
pub mod deployment;
pub mod envelope;
pub mod error;
pub mod handle;
pub mod headers;
pub mod http;
pub mod identity;
pub mod json;
pub mod limits;
pub mod limits_order;
pub mod mail;
pub mod nats_login;
pub mod order;
pub mod partition;
pub mod primary;
pub mod registration;
pub mod registry;
pub mod release;
pub mod sealed;
pub mod server;
pub mod server_name;
pub mod session;
pub mod sigchain;
pub mod sse;
pub mod subjects;
pub mod timestamp;
pub mod webfinger;

pub use deployment::Deployment;
pub use error::{Code, Problem};
pub use handle::Handle;
pub use primary::Primary;
pub use server_name::ServerName;
pub use timestamp::Timestamp;
