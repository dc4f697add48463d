//! One module a command.

pub mod auth;
pub mod delete;
pub mod identity;
pub mod inbox;
pub mod listen;
pub mod nats;
pub mod register;
pub mod send;
pub mod session;
pub mod whoami;
