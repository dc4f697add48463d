//! What is told of logins: to the audit log, and to counters. Never a signature or a token; handles and keys only hashed, in full at the level debug.

use std::fmt::Display;

use data_encoding::HEXLOWER;
use kez_kit::metrics::Metrics;
use kez_proto::Handle;
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use sha2::{Digest, Sha256};

use crate::{
    decision::Reason,
    lines::Lines,
    live::Surplus,
    protocol::{Invalid, Request},
};

type ByReason = Family<[(&'static str, &'static str); 1], Counter>;

/// The log and the counters. Cheap to clone.
#[derive(Clone)]
pub struct Audit {
    lines: Lines,
    counters: Counters,
}

#[derive(Clone, Default)]
struct Counters {
    accepted: Counter,
    denied: ByReason,
    invalid: ByReason,
    kicked: ByReason,
    connections: Gauge,
}

impl Audit {
    /// Counters that show among these. Needs the runtime.
    pub fn start(metrics: &Metrics) -> Self {
        let counters = Counters::default();
        let Counters { accepted, denied, invalid, kicked, connections } = counters.clone();
        metrics.register(|registry| {
            let registry = registry.sub_registry_with_prefix("kez_nats");
            registry.register("logins_accepted", "Clients let in to NATS", accepted);
            registry.register("logins_denied", "Clients refused, by reason", denied);
            registry.register("login_requests_invalid", "Requests that got no answer, by reason", invalid);
            registry.register(
                "connections_kicked",
                "Connections ended by the auth callout, by reason",
                kicked,
            );
            registry.register("connections", "Connections of users, over all nats-servers", connections);
        });
        Self { lines: Lines::start(), counters }
    }

    /// A client was let in.
    pub fn accepted(&self, request: &Request, handle: &str) {
        self.counters.accepted.inc();
        let Told { key, host, transport } = told(request);
        tracing::debug!(target: "audit", handle, key, host, transport, "let in");
    }

    /// A client was refused.
    pub fn denied(&self, request: &Request, handle: Option<&Handle>, reason: Reason) {
        let reason = reason.as_str();
        self.counters.denied.get_or_create(&[("reason", reason)]).inc();
        if !self.lines.may_tell("refused", reason) {
            return;
        }
        let Told { key, host, transport } = told(request);
        let (key_hash, handle_hash) = (key.map(hashed), handle.map(|handle| hashed(handle.as_str())));
        tracing::info!(target: "audit", reason, key_hash, host, transport, handle_hash, "refused");
        if key.is_some() {
            tracing::debug!(target: "audit", handle = handle.map(Handle::as_str), key, key_hash, "of the one refused");
        }
    }

    /// A request got no answer.
    pub fn invalid(&self, from: &str, why: Invalid) {
        self.counters.invalid.get_or_create(&[("reason", why.as_str())]).inc();
        if self.lines.may_tell("unanswered", why.as_str()) {
            tracing::warn!(target: "audit", reason = why.as_str(), from, "a login request got no answer: {why}");
        }
    }

    /// A user's connection was ended.
    pub fn kicked(&self, surplus: &Surplus) {
        self.ended(surplus.reason, Some(&surplus.handle), &surplus.place);
    }

    /// A connection of another auth callout that hangs was ended.
    pub fn disconnected(&self, connection: impl Display) {
        self.ended("silent_callout", None, connection);
    }

    fn ended(&self, reason: &'static str, handle: Option<&Handle>, connection: impl Display) {
        self.counters.kicked.get_or_create(&[("reason", reason)]).inc();
        if self.lines.may_tell("kicked", reason) {
            let handle_hash = handle.map(|handle| hashed(handle.as_str()));
            tracing::info!(target: "audit", reason, handle_hash, %connection, "kicked");
        }
    }

    /// Tells what the log leaves out; the last word of a process.
    pub fn tell_left_out(&self) {
        self.lines.tell_left_out();
    }

    /// So many users' connections are there.
    pub fn connections(&self, count: usize) {
        self.counters.connections.set(count as i64);
    }
}

struct Told<'a> {
    key: Option<&'a str>,
    host: &'a str,
    transport: &'a str,
}

/// What the log says of a client. It chose its key's text itself: one that isn't a key has no place in a log.
fn told(request: &Request) -> Told<'_> {
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
    let key = request.connect.nkey.as_deref().filter(|key| key.len() == 56 && plain(key));
    Told { key, host: &request.client.host, transport: &request.client.transport }
}

/// The first eight digits tell two people or keys apart in a log, and name nobody.
fn hashed(text: &str) -> String {
    let mut hex = HEXLOWER.encode(&Sha256::digest(text));
    hex.truncate(8);
    hex
}
