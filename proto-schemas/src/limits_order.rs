//! The operator's order about limits: what they sign to have limits hold in the place of those that the services were started with.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Code, Primary, ServerName, Timestamp, envelope, registration};

/// The envelope's tag.
pub const TAG: &str = "operator_limits";
/// The payload's type.
pub const TYPE: &str = "kez.chat.operator_limits";
/// A limit is this, at most.
pub const LIMIT_MAX: u32 = 1_000_000;

/// A limit that an operator may order. Each is also a flag of services, `--limit-<name>`.
///
/// A new name goes with a new `FORMAT` of the registry's index: an order of that name, which earlier versions ignored, counts from then on, and so every index
/// must be built anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// Requests of any kind per minute and address, at each gateway.
    Requests,
    /// Messages, and events of identity logs, per minute and address.
    Sends,
    /// Messages per minute of one sender.
    Sender,
    /// Registrations and releases per hour and address.
    Registrations,
    /// Sessions begun per hour and address, at each gateway.
    Sessions,
    /// Requests per minute of one person over NATS, to each fan-out and registry.
    ClientRequests,
    /// Open streams per address, at each gateway.
    Streams,
}

impl Limit {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Requests,
        Self::Sends,
        Self::Sender,
        Self::Registrations,
        Self::Sessions,
        Self::ClientRequests,
        Self::Streams,
    ];

    /// Its name, as it is signed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Sends => "sends",
            Self::Sender => "sender",
            Self::Registrations => "registrations",
            Self::Sessions => "sessions",
            Self::ClientRequests => "client-requests",
            Self::Streams => "streams",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Limit {
    type Err = Code;

    fn from_str(name: &str) -> Result<Self, Code> {
        Self::ALL.into_iter().find(|limit| limit.name() == name).ok_or(Code::InvalidParameter)
    }
}

/// What is ordered: all limits that are, each at most [`LIMIT_MAX`]; 0 is no limit. What isn't among them is as the services were started.
pub type Limits = BTreeMap<Limit, u32>;

/// What is ordered, as a registry tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// By their names, of which a later version may have more.
    pub limits: BTreeMap<String, u32>,
    /// When the order was signed; the next one must be of a later second. `None` if there never was one.
    pub signed_at: Option<Timestamp>,
}

impl InForce {
    /// Those whose names this version knows.
    pub fn known(&self) -> Limits {
        self.limits.iter().filter_map(|(name, limit)| Some((name.parse().ok()?, *limit))).collect()
    }
}

/// The payload of an order's envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorLimits {
    /// Always [`TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// Always 1.
    pub version: u32,
    /// All that is ordered from now on, in the place of what was.
    pub limits: Limits,
    /// The operator's key, which signs: that of their nkey.
    pub primary: Primary,
    /// The server that it is meant for.
    pub server: ServerName,
    /// When it was signed; within ±300 s of the server's clock, and later than the order before.
    pub created_at: Timestamp,
}

impl OperatorLimits {
    /// The payload for these limits.
    pub fn new(limits: Limits, primary: Primary, server: ServerName, created_at: Timestamp) -> Self {
        Self { kind: TYPE.into(), version: 1, limits, primary, server, created_at }
    }
}

/// An order that is right in everything but time, and in who may give one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsOrder {
    /// All that is ordered.
    pub limits: Limits,
    /// Who signed.
    pub primary: Primary,
    /// When it was signed.
    pub created_at: Timestamp,
    /// Names this very envelope.
    pub digest: String,
}

impl LimitsOrder {
    /// Verifies an envelope's bytes for this server. Errors: those of [`envelope::verify`], then `wrong_server`, `invalid_timestamp`, and `invalid_parameter` for
    /// an unknown limit or a value out of bounds.
    pub fn verify(bytes: &[u8], server: &ServerName) -> Result<Self, Code> {
        let envelope::Verified { mut payload, primary, digest } = envelope::verify(bytes, TAG, TYPE)?;
        if payload["server"] != server.as_str() {
            return Err(Code::WrongServer);
        }
        let created_at = payload["created_at"].as_str().and_then(|text| text.parse().ok());
        let created_at = created_at.ok_or(Code::InvalidTimestamp)?;
        let limits: Limits =
            serde_json::from_value(payload["limits"].take()).map_err(|_| Code::InvalidParameter)?;
        if limits.values().any(|limit| *limit > LIMIT_MAX) {
            return Err(Code::InvalidParameter);
        }
        Ok(Self { limits, primary, created_at, digest })
    }

    /// `stale_timestamp` unless it was signed within 300 s of `now`, either way.
    pub fn check_fresh(&self, now: Timestamp) -> Result<(), Code> {
        registration::check_fresh(self.created_at, now)
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use ed25519_dalek::{Signer, SigningKey};
    use serde_json::{Value, json};

    use super::*;

    fn signed(payload: &Value) -> Vec<u8> {
        let key = SigningKey::from_bytes(&[9; 32]);
        let sig = HEXLOWER.encode(&key.sign(&crate::json::canonical(payload).unwrap()).to_bytes());
        let signature = json!({"alg": envelope::ED25519_JCS, "key": payload["primary"], "sig": sig});
        json!({"kez": TAG, "payload": payload, "signature": signature}).to_string().into()
    }

    #[test]
    fn its_form_is_fixed_and_its_values_have_bounds() {
        let key = SigningKey::from_bytes(&[9; 32]);
        let primary = Primary::from_bytes(key.verifying_key().as_bytes()).unwrap();
        let server: ServerName = "kez.lat".parse().unwrap();
        let limits = Limits::from([(Limit::Sends, 0), (Limit::ClientRequests, LIMIT_MAX)]);
        let at = "2026-05-25T03:00:00Z".parse().unwrap();
        let order = OperatorLimits::new(limits.clone(), primary, server.clone(), at);
        let payload = serde_json::to_value(&order).unwrap();
        let canonical = crate::json::canonical(&payload).unwrap();
        assert_eq!(String::from_utf8(canonical).unwrap(), CANONICAL);
        assert_eq!(LimitsOrder::verify(&signed(&payload), &server).unwrap().limits, limits);
        assert_eq!(
            LimitsOrder::verify(&signed(&payload), &"kez.test".parse().unwrap()),
            Err(Code::WrongServer)
        );
        for bad in [
            json!({"sends": LIMIT_MAX + 1}),
            json!({"sends": -1}),
            json!({"mails": 1}),
            json!([]),
            Value::Null,
        ] {
            let mut payload = payload.clone();
            payload["limits"] = bad;
            assert_eq!(LimitsOrder::verify(&signed(&payload), &server), Err(Code::InvalidParameter));
        }
        for limit in Limit::ALL {
            assert_eq!(limit.name().parse(), Ok(limit));
            assert_eq!(serde_json::to_value(limit).unwrap(), limit.name());
        }
    }

    #[test]
    fn what_a_later_version_orders_leaves_the_rest_in_force() {
        let told = json!({"limits": {"mails": 1, "sends": 5}, "signed_at": "2026-05-25T03:00:00Z"});
        let told: InForce = serde_json::from_value(told).unwrap();
        assert_eq!(told.known(), Limits::from([(Limit::Sends, 5)]));
        assert_eq!(told.limits.len(), 2);
    }

    const CANONICAL: &str = r#"{"created_at":"2026-05-25T03:00:00Z","limits":{"client-requests":1000000,"sends":0},"primary":"ed25519:fd1724385aa0c75b64fb78cd602fa1d991fdebf76b13c58ed702eac835e9f618","server":"kez.lat","type":"kez.chat.operator_limits","version":1}"#;
}
