//! The registry's log and its rules: what an entry may be, and what applying it does. Apply is a pure function of the log, so that every
//! instance, of every age, comes to the same bindings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Handle, Primary, ServerName, Timestamp};

mod holding;
mod rules;

pub use holding::{Binding, Holding, Ruling, Standing, Vacancy};
pub use rules::{Bindings, Effect, Rotation, Verdict, apply, bind, judge, rebind, rule, vacate};

/// The rules that entries are written under today. Entries of older rules are applied by those rules for ever.
pub const RULES: u32 = 1;

/// One entry of the log, as JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// The first entry: what the deployment fixed once.
    Genesis {
        /// See [`RULES`].
        rules: u32,
        /// The server name that registrations must carry.
        server: ServerName,
    },
    /// Somebody binds a handle.
    Registration {
        /// See [`RULES`].
        rules: u32,
        /// The envelope as it was received, to the byte.
        envelope: Box<RawValue>,
    },
    /// Somebody's handle goes to their new key.
    Rebind {
        /// See [`RULES`].
        rules: u32,
        /// The handle, for those who only want to know what changed.
        handle: Handle,
        /// The event of the identity log that says so: a `rotate`, signed by the handle's key and proven by the new one.
        event: Box<RawValue>,
    },
    /// Somebody gives a handle back.
    Release {
        /// See [`RULES`].
        rules: u32,
        /// The envelope as it was received, to the byte.
        envelope: Box<RawValue>,
    },
    /// Whose orders count from here on, and nobody else's.
    Operator {
        /// See [`RULES`].
        rules: u32,
        /// The operator's key.
        primary: Primary,
    },
    /// The operator orders something about a handle.
    Order {
        /// See [`RULES`].
        rules: u32,
        /// The envelope as it was received, to the byte.
        envelope: Box<RawValue>,
    },
    /// The operator orders limits.
    Limits {
        /// See [`RULES`].
        rules: u32,
        /// The envelope as it was received, to the byte.
        envelope: Box<RawValue>,
    },
}

impl Entry {
    /// The handle whose binding this entry may change, as far as it can be read.
    pub fn handle(&self) -> Option<Handle> {
        match self {
            Entry::Genesis { .. } | Entry::Operator { .. } | Entry::Limits { .. } => None,
            Entry::Rebind { handle, .. } => Some(handle.clone()),
            Entry::Registration { envelope, .. }
            | Entry::Release { envelope, .. }
            | Entry::Order { envelope, .. } => {
                let envelope: serde_json::Value = serde_json::from_str(envelope.get()).ok()?;
                envelope["payload"]["handle"].as_str()?.parse().ok()
            }
        }
    }
}

/// A handle's public record: the body of `GET /v1/u/:handle` and of a registration's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// The handle.
    pub handle: Handle,
    /// `handle@server`.
    pub fqhn: String,
    /// Its key.
    pub primary: Primary,
    /// Where the key's identity log is.
    pub sigchain_url: String,
    /// Since when it is this key's.
    pub registered_at: Timestamp,
    /// Whether the operator has suspended it: it gets no mail, and its key opens no door here. Absent where it isn't.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
}

impl Record {
    /// The record of a binding at this server, whose identity logs are below `sig_server_url` (no trailing slash), of a handle that isn't suspended.
    pub fn new(binding: &Binding, server: &ServerName, sig_server_url: &str) -> Self {
        let Binding { handle, primary, registered_at, .. } = binding;
        Self {
            handle: handle.clone(),
            fqhn: format!("{handle}@{server}"),
            primary: *primary,
            sigchain_url: format!("{sig_server_url}/v1/sigchains/ed25519/{}", primary.hex()),
            registered_at: *registered_at,
            suspended: false,
        }
    }
}

/// Request of `kez.registry.lookup`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Lookup {
    /// The handle, unchecked: the registry says what is wrong with it.
    pub handle: String,
}

/// Request of `kez.registry.by-primary`.
#[derive(Debug, Serialize, Deserialize)]
pub struct ByPrimary {
    /// The key, unchecked.
    pub primary: String,
}

/// Request of `kez.registry.rebind`. Borrowed: an event isn't copied on its way.
#[derive(Debug, Serialize, Deserialize)]
pub struct Rebind<'a> {
    /// The signed event's own bytes.
    #[serde(borrow)]
    pub event: &'a RawValue,
}

/// Answer to a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Released {
    /// The handle.
    pub handle: Handle,
    /// Who may have it again.
    pub primary: Primary,
    /// Until then; nobody can have it from then on.
    pub reserved_until: Timestamp,
}

impl From<Vacancy> for Released {
    fn from(vacancy: Vacancy) -> Self {
        let reserved_until = vacancy.reserved_until();
        Self { handle: vacancy.handle, primary: vacancy.primary, reserved_until }
    }
}

/// Answer to an operator's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ordered {
    /// The handle.
    pub handle: Handle,
    /// Whether it is suspended now.
    pub suspended: bool,
}

/// Request of `kez.chat.lookup.<handle>`: exactly one of the two, answered by a [`Record`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("oneOf" = [{ "required": ["handle"] }, { "required": ["primary"] }]))]
pub struct ClientLookup {
    /// A handle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// Or a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<String>,
}
