//! Limits per client address, as they were ordered or as flags have them. Messages and registrations are counted by all gateways together, the rest by each for itself.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::request::Parts,
    middleware::Next,
    response::Response,
};
use axum_client_ip::ClientIp;
use kez_kit::{
    Nats,
    limits::{Bound, Ordered},
    quota::Quota,
    rate::Rate,
};
use kez_proto::{Code, Problem, limits_order::Limit, subjects::Span};

use crate::{Config, Gateway, ask, refusal::Refusal};

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Requests,
    Sends,
    Registrations,
    Sessions,
}

/// All counters.
pub struct Rates {
    requests: Rate<IpAddr>,
    sends: Quota<IpAddr>,
    registrations: Quota<IpAddr>,
    sessions: Rate<IpAddr>,
    streams: Arc<Mutex<HashMap<IpAddr, u32>>>,
    streams_limit: Bound,
}

impl Rates {
    /// Counters that forget idle addresses.
    pub fn start(config: &Config, nats: &Nats, ordered: &Ordered) -> Self {
        let flags = &config.limits;
        let registrations = ordered.or(Limit::Registrations, flags.limit_registrations);
        Self {
            requests: Rate::per_minute(ordered.or(Limit::Requests, flags.limit_requests)),
            sends: Quota::new("sends", Span::Minute, ordered.or(Limit::Sends, flags.limit_sends), nats),
            registrations: Quota::new("registrations", Span::Hour, registrations, nats),
            sessions: Rate::per_hour(ordered.or(Limit::Sessions, flags.limit_sessions)),
            streams: Arc::default(),
            streams_limit: ordered.or(Limit::Streams, flags.limit_streams),
        }
    }

    async fn check(&self, kind: Kind, ip: IpAddr) -> Result<(), Refusal> {
        let words = |what| format!("too many {what} from this address");
        Ok(match kind {
            Kind::Requests => self.requests.check(&ip, words("requests")),
            Kind::Sends => self.sends.check(&ip, words("messages")).await,
            Kind::Registrations => self.registrations.check(&ip, words("registrations")).await,
            Kind::Sessions => self.sessions.check(&ip, words("sessions")),
        }?)
    }

    /// Counts an open stream until the place is dropped.
    pub fn stream(&self, ip: IpAddr) -> Result<StreamPlace, Refusal> {
        let mut open = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(ip).or_default();
        let limit = self.streams_limit.get();
        if limit > 0 && *count >= limit {
            let detail = format!("{} streams are open from this address, which is the limit", *count);
            return Err(Problem::new(Code::RateLimited, detail).into());
        }
        *count += 1;
        Ok(StreamPlace { ip, streams: self.streams.clone() })
    }
}

/// A counted stream.
pub struct StreamPlace {
    ip: IpAddr,
    streams: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut open = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.ip);
            }
        }
    }
}

/// Whom a request counts against: an IPv4 address, or the /64 that one IPv6 customer has.
pub struct Client(pub IpAddr);

impl FromRequestParts<Arc<Gateway>> for Client {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Refusal> {
        parts.extensions.insert(gateway.config.client_ip_source.clone());
        match ClientIp::from_request_parts(parts, gateway).await {
            Ok(ClientIp(ip)) => Ok(Self(network(ip))),
            Err(_) => {
                let source = &gateway.config.client_ip_source;
                tracing::warn!(%source, "a request came without the client address that --client-ip-source names; is every request sent through the proxy?");
                Err(Code::Internal.into())
            }
        }
    }
}

fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// Middleware: counts a request, or refuses it with `rate_limited`.
pub async fn limit(
    State((gateway, kind)): State<(Arc<Gateway>, Kind)>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let (mut parts, body) = request.into_parts();
    let Client(ip) = Client::from_request_parts(&mut parts, &gateway).await?;
    if let Err(refusal) = gateway.rates.check(kind, ip).await {
        ask::discard(body.into_data_stream());
        return Err(refusal);
    }
    Ok(next.run(Request::from_parts(parts, body)).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_ipv6_customer_is_one_address() {
        let of = |s: &str| network(s.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(of("192.0.2.1"), "192.0.2.1");
    }
}
