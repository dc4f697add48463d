//! What every service's process needs, once: configuration, the NATS connection, the service loop, readiness, the admin listener,
//! logs, traces, shutdown and exit codes. It knows no chat word: of the contract it uses errors, deadlines and limits.

pub mod admin;
mod check;
pub mod export;
pub mod failure;
pub mod http;
pub mod jetstream;
pub mod life;
pub mod limits;
pub mod metrics;
pub mod nats;
mod pinned;
pub mod quota;
pub mod rate;
pub mod ready;
pub mod responder;
pub mod retry;
pub mod service;
pub mod task;
pub mod telemetry;
mod tls;
pub mod trace;

pub use failure::{Failure, Kind};
pub use life::Life;
pub use nats::Nats;
