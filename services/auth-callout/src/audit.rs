//! What is told of logins: to the audit log, and to counters. Never a signature or a token, and a handle only hashed.

use std::fmt::Display;

use data_encoding::HEXLOWER;
use kez_kit::metrics::Metrics;
use kez_proto::Handle;
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use sha2::{Digest, Sha256};

use crate::{
    decision::Reason,
    protocol::{Invalid, Request},
};

type ByReason = Family<[(&'static str, &'static str); 1], Counter>;

/// The counters. Cheap to clone.
#[derive(Clone, Default)]
pub struct Audit {
    accepted: Counter,
    denied: ByReason,
    invalid: ByReason,
    kicked: ByReason,
    connections: Gauge,
}

impl Audit {
    /// Counters that show among these.
    pub fn start(metrics: &Metrics) -> Self {
        let audit = Self::default();
        let Self { accepted, denied, invalid, kicked, connections } = audit.clone();
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
        audit
    }

    /// A client was let in.
    pub fn accepted(&self, request: &Request, handle: &str) {
        self.accepted.inc();
        let Told { key, host, transport } = told(request);
        tracing::debug!(target: "audit", handle, key, host, transport, "let in");
    }

    /// A client was refused.
    pub fn denied(&self, request: &Request, handle: Option<&Handle>, reason: Reason) {
        self.denied.get_or_create(&[("reason", reason.as_str())]).inc();
        let Told { key, host, transport } = told(request);
        let handle_hash = handle.map(hashed);
        tracing::info!(target: "audit", reason = reason.as_str(), key, host, transport, handle_hash, "refused");
        if let Some(handle) = handle {
            tracing::debug!(target: "audit", %handle, key, "refused");
        }
    }

    /// A request wasn't nats-server's.
    pub fn invalid(&self, from: &str, why: Invalid) {
        self.invalid.get_or_create(&[("reason", why.as_str())]).inc();
        tracing::warn!(target: "audit", reason = why.as_str(), from, "a login request that isn't nats-server's own: {why}");
    }

    /// A connection was ended.
    pub fn kicked(&self, handle: Option<&Handle>, reason: &'static str, what: impl Display) {
        self.kicked.get_or_create(&[("reason", reason)]).inc();
        tracing::info!(target: "audit", reason, handle_hash = handle.map(hashed), connection = %what, "kicked");
    }

    /// So many users' connections are there.
    pub fn connections(&self, count: usize) {
        self.connections.set(count as i64);
    }
}

struct Told<'a> {
    key: &'a str,
    host: &'a str,
    transport: &'a str,
}

/// What the log says of a client. It chose its key's text itself: one that isn't a key has no place in a log.
fn told(request: &Request) -> Told<'_> {
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
    let key = request.connect.nkey.as_deref().filter(|key| key.len() == 56 && plain(key));
    Told { key: key.unwrap_or("-"), host: &request.client.host, transport: &request.client.transport }
}

/// The first eight digits tell two people apart in a log, and name nobody.
fn hashed(handle: &Handle) -> String {
    let mut hex = HEXLOWER.encode(&Sha256::digest(handle.as_str()));
    hex.truncate(8);
    hex
}
