//! One module a command.

pub mod admin;
pub mod auth;
pub mod backup;
pub mod canary;
pub mod claim;
pub mod delete;
pub mod identity;
pub mod inbox;
pub mod listen;
pub mod nats;
pub mod register;
pub mod release;
pub mod restore;
pub mod send;
pub mod session;
pub mod sigchain;
pub mod verify;
pub mod whoami;
