//! Who lets users in to NATS is away, dies, hangs, or loses what it needs; and many come at once.

mod addresses;
mod cluster;
mod connections;
mod dead;
mod expiry;
pub mod feed;
mod hung;
mod late;
mod logins;
mod metrics;
mod needs;
mod nobody;
mod reconnects;
mod rotation;
mod session;
mod storm;
mod system;
