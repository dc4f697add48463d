//! Which address of NATS is taken.

use std::net::IpAddr;

use kez_proto::server::NatsAddresses;
use url::Url;

use crate::Error;

/// Whether others can read and change what goes to any of these addresses, with commas between: it has no TLS, and isn't on this machine.
pub fn is_exposed(urls: &str) -> bool {
    urls.split(',').any(one_is_exposed)
}

fn one_is_exposed(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default();
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let here = host.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.to_canonical().is_loopback());
    matches!(url.scheme(), "nats" | "ws") && !here
}

/// Of the addresses that the server at `server_url` told, the one to use: TCP before the WebSocket. `None` if it told none.
///
/// [`Error::Exposed`] if all that a server with TLS tells are without it: what was safe so far would no longer be.
pub fn choose(server_url: &str, told: &NatsAddresses) -> Result<Option<String>, Error> {
    let all = || [&told.url, &told.websocket_url].into_iter().flatten();
    let safe = all().find(|url| !server_url.starts_with("https://") || !is_exposed(url));
    match (safe, all().next()) {
        (None, Some(url)) => Err(Error::Exposed { server: server_url.to_owned(), url: url.clone() }),
        (safe, _) => Ok(safe.cloned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_tls_on_this_machine_alone() {
        for here in
            ["nats://127.0.0.1:4222", "ws://localhost:8443", "nats://[::1]:4222", "ws://[::ffff:127.0.0.1]"]
        {
            assert!(!is_exposed(here), "{here}");
        }
        for encrypted in ["tls://chat.test:4222", "wss://chat.test/nats", "tls://192.0.2.1"] {
            assert!(!is_exposed(encrypted), "{encrypted}");
        }
        for open in [
            "nats://chat.test:4222",
            "ws://10.0.0.1:8443",
            "NATS://127.0.0.1.chat.test",
            "ws://[fd00::1]:80",
            "nats://localhost.test",
            "tls://chat.test,nats://chat.test",
        ] {
            assert!(is_exposed(open), "{open}");
        }
    }

    #[test]
    fn a_server_with_tls_does_not_lead_away_from_it() {
        let told = |url: &str, websocket: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            NatsAddresses { url: some(url), websocket_url: some(websocket) }
        };
        let (plain, safe) = ("nats://chat.test:4222", "wss://chat.test:8443");
        let chosen = |server, told: &NatsAddresses| choose(server, told).map(Option::unwrap_or_default);
        let server = "https://chat.test";
        assert_eq!(choose(server, &told("", "")), Ok(None));
        assert_eq!(
            chosen(server, &told("tls://chat.test:4222", safe)).as_deref(),
            Ok("tls://chat.test:4222")
        );
        assert_eq!(chosen(server, &told(plain, safe)).as_deref(), Ok(safe));
        assert_eq!(
            chosen(server, &told("nats://127.0.0.1:4222", "")).as_deref(),
            Ok("nats://127.0.0.1:4222")
        );
        for exposed in [told(plain, ""), told("", "ws://chat.test"), told(plain, "ws://chat.test")] {
            assert!(matches!(choose(server, &exposed), Err(Error::Exposed { .. })), "{exposed:?}");
        }
        // Nothing is lost where there was nothing.
        assert_eq!(chosen("http://chat.test", &told(plain, safe)).as_deref(), Ok(plain));
    }
}
