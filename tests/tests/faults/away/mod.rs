//! Something that a request needs is away, hangs, or has lost its disk.

mod broker;
mod index;
mod probe;
mod services;
mod stopping;

pub use probe::{IN_TIME, all_ready, processes, readiness};
