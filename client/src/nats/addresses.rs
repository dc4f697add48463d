//! Where a server's NATS is.

use async_nats::ServerAddr;
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
}
