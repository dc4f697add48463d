//! Keys pinned on first use: a server that names another key for a known handle could read what is written to it.

use std::collections::BTreeMap;

use kez_proto::{Handle, Primary, ServerName};
use serde::{Deserialize, Serialize};

/// The key of each handle that one has dealt with, as `{"alice@chat.example.org": "ed25519:…"}`. None is ever forgotten by itself, for the next one would
/// be trusted; so a caller pins whom a person writes to or answers, not whoever writes to them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pins(BTreeMap<String, Primary>);

/// A handle's key may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinned {
    /// It was seen for the first time, and is pinned now.
    New,
    /// It is the one that was pinned.
    Same,
    /// It follows the one that was pinned, as was proven, and is pinned now.
    Proven {
        /// The one before.
        from: Primary,
    },
}

/// A handle has another key than the pinned one, and nothing proves that its owner changed it. It must not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{handle} has another key now, {offered}, and nothing proves that its owner changed it: the known one is {pinned}"
)]
pub struct KeyChanged {
    /// The handle with its server.
    pub handle: String,
    /// The key that is known.
    pub pinned: Primary,
    /// The key that the server names.
    pub offered: Primary,
}

impl Pinned {
    /// The name, for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Pinned::New => "new",
            Pinned::Same => "same",
            Pinned::Proven { .. } => "proven",
        }
    }
}

impl KeyChanged {
    /// The name, for programs.
    pub fn as_str(&self) -> &'static str {
        "key_changed"
    }
}

impl Pins {
    /// The key that is pinned. If it isn't the one that a server names, the caller gets the handle's identity log before it calls [`Pins::check`].
    pub fn get(&self, handle: &Handle, server: &ServerName) -> Option<Primary> {
        self.0.get(&format!("{handle}@{server}")).copied()
    }

    /// Whether the key that a server names for a handle may be used. `proves(from, to)` says whether the owner of `from` made `to` its successor; it is
    /// asked only if the two differ. What is refused changes nothing.
    pub fn check(
        &mut self,
        handle: &Handle,
        server: &ServerName,
        offered: Primary,
        proves: impl FnOnce(&Primary, &Primary) -> bool,
    ) -> Result<Pinned, Box<KeyChanged>> {
        let handle = format!("{handle}@{server}");
        match self.0.get(&handle).copied() {
            Some(pinned) if pinned == offered => Ok(Pinned::Same),
            Some(pinned) if !proves(&pinned, &offered) => {
                Err(Box::new(KeyChanged { handle, pinned, offered }))
            }
            before => {
                self.0.insert(handle, offered);
                Ok(before.map_or(Pinned::New, |from| Pinned::Proven { from }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    #[test]
    fn a_key_changes_only_with_a_proof() {
        let (alice, here, there): (Handle, ServerName, ServerName) =
            ("alice".parse().unwrap(), "here.example".parse().unwrap(), "there.example".parse().unwrap());
        let [old, new] = [1, 2].map(|n| Identity::from_seed(&[n; 32]).primary());
        let unasked = |_: &Primary, _: &Primary| -> bool { panic!("no proof is needed") };
        let mut pins = Pins::default();
        assert_eq!(pins.check(&alice, &here, old, unasked), Ok(Pinned::New));
        assert_eq!(pins.check(&alice, &here, old, unasked), Ok(Pinned::Same));
        assert_eq!(pins.check(&alice, &there, new, unasked), Ok(Pinned::New), "another person");

        let refused = pins.check(&alice, &here, new, |_, _| false).unwrap_err();
        assert_eq!(
            (refused.handle.as_str(), refused.pinned, refused.offered),
            ("alice@here.example", old, new)
        );
        assert_eq!(pins.get(&alice, &here), Some(old));

        let follows = |from: &Primary, to: &Primary| (*from, *to) == (old, new);
        assert_eq!(pins.check(&alice, &here, new, follows), Ok(Pinned::Proven { from: old }));
        assert_eq!(pins.get(&alice, &here), Some(new));
        assert!(pins.check(&alice, &here, old, follows).is_err(), "the way back isn't proven");

        let kept = serde_json::to_string(&pins).unwrap();
        assert_eq!(kept, format!(r#"{{"alice@here.example":"{new}","alice@there.example":"{new}"}}"#));
        assert_eq!(serde_json::from_str::<Pins>(&kept).unwrap(), pins);
    }
}
