//! What this crate writes, as the real nats-server reads it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod audit;
mod binary;
mod config;
mod crossing;
mod keys;
mod support;
mod websocket;
