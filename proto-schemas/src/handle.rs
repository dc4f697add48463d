//! Handles: the name in `name@server`. Always one safe NATS token.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::Code;

/// A valid handle: 3 to 32 of `a-z 0-9 _ -`, first a letter or a digit. It may still be reserved or free.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Handle(String);

/// Names that a stranger could take for the server's own voice, that mail systems give a meaning (RFC 2142), or that
/// read as a path or a value. Kept lower-case and sorted.
const RESERVED: &[&str] = &[
    "abuse",
    "account",
    "admin",
    "administrator",
    "all",
    "anonymous",
    "api",
    "auth",
    "billing",
    "bot",
    "contact",
    "everyone",
    "ftp",
    "guest",
    "help",
    "here",
    "hostmaster",
    "inbox",
    "info",
    "internal",
    "kez",
    "kez-chat",
    "localhost",
    "login",
    "mail",
    "mailer-daemon",
    "mod",
    "moderator",
    "nats",
    "news",
    "no-reply",
    "nobody",
    "noreply",
    "null",
    "official",
    "operator",
    "owner",
    "postmaster",
    "privacy",
    "register",
    "root",
    "sales",
    "security",
    "self",
    "server",
    "service",
    "settings",
    "signup",
    "ssl",
    "staff",
    "status",
    "support",
    "sys",
    "sysadmin",
    "system",
    "team",
    "test",
    "undefined",
    "unknown",
    "user",
    "webfinger",
    "webmaster",
    "well-known",
    "www",
];

impl Handle {
    /// The handle as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nobody may register it. A matter of admission: the log's readers don't ask.
    pub fn is_reserved(&self) -> bool {
        RESERVED.binary_search(&self.as_str()).is_ok()
    }
}

impl FromStr for Handle {
    type Err = Code;
    fn from_str(s: &str) -> Result<Self, Code> {
        let safe = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
        let first = s.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if (3..=32).contains(&s.len()) && first && s.bytes().all(safe) {
            Ok(Self(s.to_owned()))
        } else {
            Err(Code::InvalidHandle)
        }
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Handle {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(|code: Code| de::Error::custom(code.detail()))
    }
}

impl schemars::JsonSchema for Handle {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Handle".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{2,31}$", "examples": ["tudisco"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        for good in ["abc", "0ab", "a_-", "tudisco", &"a".repeat(32)] {
            assert!(good.parse::<Handle>().is_ok(), "{good} was refused");
        }
        for bad in [
            "",
            "ab",
            "_abc",
            "-abc",
            "Abc",
            "a.b",
            "a*c",
            "a>c",
            "a b",
            "äbc",
            "abc\n",
            "a\u{301}bc",
            &"a".repeat(33),
        ] {
            assert_eq!(bad.parse::<Handle>(), Err(Code::InvalidHandle), "{bad} was taken");
        }
    }

    #[test]
    fn reserved_list_is_sorted_and_valid() {
        assert!(RESERVED.is_sorted());
        for name in RESERVED {
            assert!(name.parse::<Handle>().unwrap().is_reserved(), "{name}");
        }
        assert!(!"alice".parse::<Handle>().unwrap().is_reserved());
    }
}
