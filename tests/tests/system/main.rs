//! The system as its users meet it: real nats-server, real processes, plain HTTP. Each test has a deployment of its own.
#![allow(clippy::unwrap_used, reason = "a test")]

mod api;
mod kez;
mod limits;
mod mail;
mod metrics;
mod nats;
mod sigchain;
mod stream;
mod traces;
