//! The auth callout as a process, with the real nats-server on the configuration of a deployment.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

mod live;
mod login;
mod watch;
