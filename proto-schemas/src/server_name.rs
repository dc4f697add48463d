//! The name behind the `@`: a DNS name that the operator chose for the deployment.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de};

/// A lower-case DNS name without a trailing dot, at most 253 characters (RFC 1035 labels); one label such as `localhost` is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct ServerName(String);

/// The text isn't a DNS name.
#[derive(Debug, thiserror::Error)]
#[error(
    "a server name is a lower-case DNS name such as chat.example.org, without scheme, port or trailing dot"
)]
pub struct InvalidServerName;

impl ServerName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `host` is this server, compared as DNS does: any case, a trailing dot or none.
    pub fn is(&self, host: &str) -> bool {
        host.strip_suffix('.').unwrap_or(host).eq_ignore_ascii_case(&self.0)
    }
}

impl FromStr for ServerName {
    type Err = InvalidServerName;
    fn from_str(s: &str) -> Result<Self, InvalidServerName> {
        let label = |l: &str| {
            (1..=63).contains(&l.len())
                && !l.starts_with('-')
                && !l.ends_with('-')
                && l.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if s.len() <= 253 && s.split('.').all(label) {
            Ok(Self(s.to_owned()))
        } else {
            Err(InvalidServerName)
        }
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ServerName {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

impl schemars::JsonSchema for ServerName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ServerName".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "a lower-case DNS name", "examples": ["kez.lat"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        let name: ServerName = "kez.lat".parse().unwrap();
        assert!(name.is("KEZ.lat.") && name.is("kez.lat") && !name.is("kez.lat..") && !name.is("xkez.lat"));
        for bad in [
            "",
            ".",
            "kez.lat.",
            "Kez.lat",
            "kez..lat",
            "-a.b",
            "a-.b",
            "kez.lat:80",
            "https://kez.lat",
            "a_b",
            &"a".repeat(64),
        ] {
            assert!(bad.parse::<ServerName>().is_err(), "{bad} was taken");
        }
        assert!("localhost".parse::<ServerName>().is_ok());
    }
}
