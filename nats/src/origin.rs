//! Whose web pages may open a WebSocket.

use std::{fmt, str::FromStr};

use url::Url;

/// The origin of a web page (RFC 6454): `https://host` or `https://host:port`, as browsers write it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(String);

impl Origin {
    /// The origin of the page at this `http` or `https` address; `None` for another scheme.
    pub fn of(url: &Url) -> Option<Self> {
        matches!(url.scheme(), "http" | "https").then(|| Self(url.origin().ascii_serialization()))
    }
}

impl FromStr for Origin {
    type Err = String;

    /// A sentence for a person: nats-server compares scheme, host and port, and would let in nobody by a path or a wildcard.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text} is no origin: write https://host or http://host:port, without a path or a *");
        let url = Url::parse(text).map_err(|_| wrong())?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let nobody = url.username().is_empty() && url.password().is_none();
        let host = url.host_str().is_some_and(|host| !host.contains('*'));
        Self::of(&url).filter(|_| bare && nobody && host).ok_or_else(wrong)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_do() {
        for (text, browsers) in [
            ("https://chat.example.org", "https://chat.example.org"),
            ("https://Chat.Example.org:443/", "https://chat.example.org"),
            ("http://127.0.0.1:6969", "http://127.0.0.1:6969"),
            ("http://[::1]:80", "http://[::1]"),
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), browsers);
        }
        for bad in [
            "",
            "*",
            "https://*",
            "https://*.example.org",
            "chat.example.org",
            "null",
            "ftp://chat.example.org",
            "https://chat.example.org/path",
            "https://chat.example.org?x",
            "https://me@chat.example.org",
            "file:///",
        ] {
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
    }
}
