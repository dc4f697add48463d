//! The one form of time on the wire: RFC 3339, UTC, whole seconds, `Z` (kez-formats).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::{
    OffsetDateTime, PrimitiveDateTime, format_description::BorrowedFormatItem, macros::format_description,
};

const FORM: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

/// A moment in whole seconds, from the year 0000 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(OffsetDateTime);

impl Timestamp {
    /// The moment `secs` after 1970-01-01T00:00:00Z; `None` outside of the years 0 to 9999.
    pub fn from_unix(secs: i64) -> Option<Self> {
        OffsetDateTime::from_unix_timestamp(secs).ok().filter(|t| t.year() >= 0).map(Self)
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub fn unix(self) -> i64 {
        self.0.unix_timestamp()
    }
}

impl From<OffsetDateTime> for Timestamp {
    /// Drops the fraction of the second.
    fn from(t: OffsetDateTime) -> Self {
        Self(t.to_offset(time::UtcOffset::UTC).truncate_to_second())
    }
}

/// The text isn't `YYYY-MM-DDThh:mm:ssZ`.
#[derive(Debug, thiserror::Error)]
#[error("a time must be written YYYY-MM-DDThh:mm:ssZ (UTC, whole seconds)")]
pub struct InvalidTimestamp;

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;
    fn from_str(s: &str) -> Result<Self, InvalidTimestamp> {
        // A year may have a sign for the parser.
        if s.len() != "2026-05-25T03:00:00Z".len() {
            return Err(InvalidTimestamp);
        }
        PrimitiveDateTime::parse(s, FORM).map(|t| Self(t.assume_utc())).map_err(|_| InvalidTimestamp)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.format(FORM).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "description": "RFC 3339, UTC, whole seconds",
            "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$", "examples": ["2026-05-25T03:00:00Z"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_only() {
        let t: Timestamp = "2026-05-25T03:00:00Z".parse().unwrap();
        assert_eq!(t.to_string(), "2026-05-25T03:00:00Z");
        assert_eq!(t.unix(), 1_779_678_000);
        assert_eq!(Timestamp::from_unix(t.unix()), Some(t));
        for bad in [
            "2026-05-25T03:00:00.0Z",
            "+2026-05-25T03:00:00Z",
            "-2026-05-25T03:00:00Z",
            "2026-05-25T03:00:00+00:00",
            "2026-05-25 03:00:00Z",
            "2026-13-25T03:00:00Z",
            "2026-05-25t03:00:00z",
            "1779678000",
            "",
            " 2026-05-25T03:00:00Z",
        ] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad} was taken");
        }
    }
}
