//! Refused logins by address, where clients reach nats-server directly: behind a proxy all addresses are the proxy's.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use moka::sync::Cache;

use crate::{decision::Transport, protocol::Request};

/// Addresses that are remembered.
const CAPACITY: u64 = 100_000;
/// How long a refused login counts, from the first of its address.
const WINDOW: Duration = Duration::from_secs(60);

/// The counts. This instance's own: others count for themselves.
pub struct Addresses {
    refused: Cache<IpAddr, Arc<AtomicU32>>,
    limit: u32,
    direct: Vec<Transport>,
}

impl Addresses {
    /// `limit` refused logins a minute for each address, 0 for no limit, on the transports that clients reach directly.
    pub fn new(limit: u32, direct: Vec<Transport>) -> Self {
        let refused = Cache::builder().max_capacity(CAPACITY).time_to_live(WINDOW).build();
        Self { refused, limit, direct }
    }

    /// Whether this client's address may try.
    pub fn may_try(&self, request: &Request) -> bool {
        let count = self.address(request).and_then(|address| self.refused.get(&address));
        count.is_none_or(|count| count.load(Ordering::Relaxed) < self.limit)
    }

    /// Counts a refused login.
    pub fn refused(&self, request: &Request) {
        if let Some(address) = self.address(request) {
            self.refused.get_with(address, Arc::default).fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whom this client counts as: an IPv4 address, or the /64 that one IPv6 customer has. `None` where there is no limit.
    fn address(&self, request: &Request) -> Option<IpAddr> {
        let direct = Transport::of(request).is_some_and(|transport| self.direct.contains(&transport));
        if self.limit == 0 || !direct {
            return None;
        }
        let address: IpAddr = request.client.host.parse().ok()?;
        Some(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(host: &str, transport: &str) -> Request {
        let request = json!({
            "client_info": {"kind": "Client", "type": transport, "host": host}, "connect_opts": {},
            "server_id": {"id": "N"}, "user_nkey": "U", "type": "authorization_request", "version": 2
        });
        serde_json::from_value(request).unwrap()
    }

    #[test]
    fn refused_logins_count_for_their_address_where_it_is_the_clients_own() {
        let addresses = Addresses::new(2, vec![Transport::Websocket]);
        let may_try = |host, transport| addresses.may_try(&request(host, transport));
        for _ in 0..2 {
            assert!(may_try("2001:db8:1:2:3:4:5:6", "websocket"));
            addresses.refused(&request("2001:db8:1:2:ffff::1", "websocket"));
            addresses.refused(&request("192.0.2.1", "nats"));
            addresses.refused(&request("not an address", "websocket"));
        }
        assert!(!may_try("2001:db8:1:2:3:4:5:6", "websocket"), "one customer's /64");
        assert!(may_try("2001:db8:1:3::1", "websocket") && may_try("192.0.2.1", "websocket"));
        assert!(may_try("192.0.2.1", "nats"), "not named as reached directly");
        addresses.refused(&request("::ffff:192.0.2.1", "websocket"));
        addresses.refused(&request("192.0.2.1", "websocket"));
        assert!(!may_try("192.0.2.1", "websocket"));
        let unlimited = Addresses::new(0, vec![Transport::Websocket]);
        unlimited.refused(&request("192.0.2.1", "websocket"));
        assert!(unlimited.may_try(&request("192.0.2.1", "websocket")));
    }
}
