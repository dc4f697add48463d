//! What has become of a handle.

use serde::{Deserialize, Serialize};

use crate::{
    Handle, Primary, Timestamp,
    limits::HANDLE_RESERVED,
    limits_order::{InForce, Limits},
};

/// A handle's binding, as the index keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The handle.
    pub handle: Handle,
    /// Its key.
    pub primary: Primary,
    /// Since when it is this key's: when the log took the registration, or the rotation (the stream's clock).
    pub registered_at: Timestamp,
    /// When its owner signed the registration: nothing signed earlier undoes it.
    pub signed_at: Timestamp,
    /// Digest of the envelope that bound it.
    pub digest: String,
}

/// A handle that was given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vacancy {
    /// The handle.
    pub handle: Handle,
    /// Who may have it again, for 90 days.
    pub primary: Primary,
    /// When the log took it.
    pub released_at: Timestamp,
    /// When it was signed: nothing signed earlier undoes it.
    pub signed_at: Timestamp,
    /// Digest of the envelope.
    pub digest: String,
}

impl Vacancy {
    /// Until then the last key may have it again, and from then on nobody.
    pub fn reserved_until(&self) -> Timestamp {
        let seconds = i64::try_from(HANDLE_RESERVED.as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_unix(self.released_at.unix().saturating_add(seconds)).unwrap_or(self.released_at)
    }
}

/// What has become of a handle that somebody once registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holding {
    /// It is somebody's.
    Bound(Binding),
    /// It was given back.
    Vacant(Vacancy),
}

impl Holding {
    /// The binding, while there is one.
    pub fn bound(self) -> Option<Binding> {
        match self {
            Holding::Bound(binding) => Some(binding),
            Holding::Vacant(_) => None,
        }
    }
}

/// What the operator ordered last about a handle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The handle.
    pub handle: Handle,
    /// Whether it is suspended, whoever has it.
    pub suspended: bool,
    /// When the order was signed: nothing signed earlier undoes it.
    pub signed_at: Timestamp,
    /// Digest of the order's envelope.
    pub digest: String,
}

/// What the operator ordered last about limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    /// All that is ordered.
    pub limits: Limits,
    /// When it was signed: nothing signed earlier undoes it.
    pub signed_at: Timestamp,
    /// Digest of the order's envelope.
    pub digest: String,
}

impl From<Ruling> for InForce {
    fn from(Ruling { limits, signed_at, .. }: Ruling) -> Self {
        let limits = limits.into_iter().map(|(limit, count)| (limit.to_string(), count)).collect();
        Self { limits, signed_at: Some(signed_at) }
    }
}
