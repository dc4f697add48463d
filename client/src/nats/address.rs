//! Where a server's NATS is, and which of the addresses that are told is taken.

use std::net::IpAddr;

use async_nats::ServerAddr;
use kez_proto::server::NatsAddresses;
use url::Url;

use crate::Error;

/// One address, or several of one cluster, of which any will do.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    pub(crate) all: Vec<ServerAddr>,
    /// For people.
    pub(crate) text: String,
}

impl Addresses {
    /// From URLs that are separated by commas.
    pub(crate) fn parse(urls: &str) -> Result<Self, Error> {
        let all: Vec<ServerAddr> = urls.split(',').map(address).collect::<Result<_, _>>()?;
        let text = all.iter().map(|url| url.as_url_str().trim_end_matches('/')).collect::<Vec<_>>().join(",");
        Ok(Self { all, text })
    }

    /// Whether nothing goes to any of them but over TLS.
    pub(crate) fn are_encrypted(&self) -> bool {
        self.all.iter().all(|url| matches!(url.scheme(), "tls" | "wss"))
    }
}

fn address(url: &str) -> Result<ServerAddr, Error> {
    let wrong = |detail: &str| Error::Address { url: url.to_owned(), detail: detail.to_owned() };
    let parsed = Url::parse(url).map_err(|_| wrong("write it as nats://host:port or wss://host"))?;
    let websocket = match parsed.scheme() {
        "nats" | "tls" => false,
        "ws" | "wss" => true,
        _ => return Err(wrong("it must begin with nats://, tls://, ws:// or wss://")),
    };
    let bare = matches!(parsed.path(), "" | "/") && parsed.query().is_none();
    let login = !parsed.username().is_empty() || parsed.password().is_some();
    if parsed.host_str().is_none_or(str::is_empty)
        || login
        || !(bare || websocket)
        || parsed.fragment().is_some()
    {
        return Err(wrong("it must be scheme, host and port alone"));
    }
    ServerAddr::from_url(parsed).map_err(|e| wrong(&e.to_string()))
}

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
    fn addresses() {
        for good in [
            "nats://127.0.0.1:4222",
            "nats://[::1]:4222/",
            "tls://kez.lat",
            "ws://127.0.0.1:8443",
            "wss://kez.lat/nats",
            "nats://a.kez.lat:4222,nats://b.kez.lat:4222",
        ] {
            assert!(Addresses::parse(good).is_ok(), "{good} was refused");
        }
        for bad in [
            "",
            "kez.lat",
            "kez.lat:4222",
            "http://kez.lat",
            "nats://",
            "nats://kez.lat/path",
            "nats://kez.lat?a",
            "wss://kez.lat/#a",
            "nats://me:pw@kez.lat",
            "wss://token@kez.lat",
            "nats://kez.lat,",
            "nats://kez.lat,http://kez.lat",
        ] {
            assert!(matches!(Addresses::parse(bad), Err(Error::Address { .. })), "{bad} was taken");
        }
        assert_eq!(
            Addresses::parse("wss://kez.lat/,ws://[::1]:1").unwrap().text,
            "wss://kez.lat,ws://[::1]:1"
        );
    }

    #[test]
    fn encrypted_is_what_is_encrypted_everywhere() {
        let encrypted = |urls| Addresses::parse(urls).unwrap().are_encrypted();
        assert!(encrypted("tls://kez.lat") && encrypted("wss://kez.lat,tls://kez.lat"));
        assert!(!encrypted("nats://kez.lat") && !encrypted("tls://kez.lat,ws://kez.lat"));
    }

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
