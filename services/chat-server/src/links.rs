//! Where users find this server, and so where its web pages come from.

use std::net::SocketAddr;

use kez_nats::Origin;
use kez_proto::ServerName;
use kez_registry::DEFAULT_SERVER;
use url::{Host, Url};

use crate::listeners::Addresses;

/// The public address, and the one of the HTTP listener.
pub struct Links {
    public: Option<Url>,
    server: ServerName,
    http: SocketAddr,
}

impl Links {
    pub fn new(gateway: &kez_gateway::Args, server: &ServerName, http: SocketAddr) -> Self {
        Self { public: gateway.public_url.clone(), server: server.clone(), http }
    }

    /// Whose pages may connect to NATS: the public address's, and those of this machine.
    pub fn origins(&self) -> Vec<Origin> {
        let public = self.public.clone().or_else(|| format!("https://{}", self.server).parse().ok());
        let port = self.http.port();
        let mut here = vec![format!("http://127.0.0.1:{port}"), format!("http://localhost:{port}")];
        if !self.http.ip().is_unspecified() {
            here.push(format!("http://{}", self.http));
        }
        let here = here.into_iter().filter_map(|url| url.parse().ok());
        public.iter().filter_map(Origin::of).chain(here).collect()
    }

    /// Where records lead to for identity logs, unless the operator said: the public address; as long as the server has no name of its own, this machine.
    pub fn identity_logs(&self) -> Option<String> {
        match &self.public {
            Some(public) => Some(public.as_str().trim_end_matches('/').to_owned()),
            None if self.server.as_str() == DEFAULT_SERVER => {
                Some(format!("http://localhost:{}", self.http.port()))
            }
            None => None,
        }
    }

    /// Tells clients where NATS is, unless the operator did.
    pub fn publish(&self, gateway: &mut kez_gateway::Args, at: Addresses, schemes: Addresses<&str>) {
        let tell = |told: &mut Option<Url>, scheme, listener| {
            if told.is_none() {
                *told = self.reached(scheme, listener);
            }
        };
        tell(&mut gateway.nats_public_url, schemes.clients, at.clients);
        tell(&mut gateway.nats_ws_public_url, schemes.browsers, at.browsers);
    }

    /// How clients reach a listener. One that only this machine reaches isn't told by a server that others reach, nor one without TLS by a server that
    /// has it: a proxy in front of it has another address.
    fn reached(&self, scheme: &str, listener: SocketAddr) -> Option<Url> {
        let encrypted = self.public.as_ref().is_none_or(|public| public.scheme() == "https");
        if encrypted && ["nats", "ws"].contains(&scheme) && !listener.ip().is_loopback() {
            return None;
        }
        let public = self.public.as_ref().and_then(Url::host);
        let host = match (public, listener.ip()) {
            (Some(public), ip) if ip.is_loopback() && !is_loopback(&public) => return None,
            (Some(public), ip) if !ip.is_loopback() => public.to_owned(),
            (None, ip) if ip.is_unspecified() => Host::Domain(self.server.to_string()),
            _ => return format!("{scheme}://{listener}").parse().ok(),
        };
        format!("{scheme}://{host}:{}", listener.port()).parse().ok()
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(public: Option<&str>, http: &str) -> Links {
        let public = public.map(|url| url.parse().unwrap());
        Links { public, server: "kez.test".parse().unwrap(), http: http.parse().unwrap() }
    }

    #[test]
    fn the_pages_of_this_server_may_connect() {
        let origins = |links: Links| links.origins().iter().map(ToString::to_string).collect::<Vec<_>>();
        let of_all = ["https://kez.test", "http://127.0.0.1:6969", "http://localhost:6969"];
        assert_eq!(origins(links(None, "0.0.0.0:6969")), of_all);
        let one = origins(links(Some("https://chat.test/kez/"), "192.0.2.1:80"));
        assert_eq!(one, ["https://chat.test", "http://127.0.0.1", "http://localhost", "http://192.0.2.1"]);
    }

    #[test]
    fn a_listener_is_told_as_clients_reach_it() {
        let reached = |public, listener: &str| {
            let url = links(public, "0.0.0.0:6969").reached("wss", listener.parse().unwrap());
            url.map(|url| url.to_string())
        };
        let public = Some("https://chat.test");
        assert_eq!(reached(None, "127.0.0.1:8443").as_deref(), Some("wss://127.0.0.1:8443/"));
        assert_eq!(reached(None, "192.0.2.1:8443").as_deref(), Some("wss://192.0.2.1:8443/"));
        assert_eq!(reached(None, "0.0.0.0:8443").as_deref(), Some("wss://kez.test:8443/"));
        assert_eq!(reached(public, "[::]:8443").as_deref(), Some("wss://chat.test:8443/"));
        assert_eq!(reached(public, "192.0.2.1:8443").as_deref(), Some("wss://chat.test:8443/"));
        let plain = |public, listener: &str| {
            let url = links(public, "0.0.0.0:6969").reached("ws", listener.parse().unwrap());
            url.map(|url| url.to_string())
        };
        assert_eq!(plain(None, "127.0.0.1:8443").as_deref(), Some("ws://127.0.0.1:8443/"));
        assert_eq!(plain(None, "0.0.0.0:8443"), None, "the server itself is reached over TLS");
        assert_eq!(plain(public, "192.0.2.1:8443"), None);
        let here = Some("http://192.0.2.1:6969");
        assert_eq!(plain(here, "0.0.0.0:8443").as_deref(), Some("ws://192.0.2.1:8443/"));
        assert_eq!(reached(public, "127.0.0.1:8443"), None, "others would look for it on their own machine");
        assert_eq!(
            reached(Some("http://127.0.0.1:6969"), "127.0.0.1:8443").as_deref(),
            Some("wss://127.0.0.1:8443/")
        );
    }
}
