//! An operator's order about a handle: what the operator signs to suspend somebody's handle, to lift that, or to give the handle back in its owner's place.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Code, Handle, Primary, ServerName, Timestamp, envelope, registration};

/// The envelope's tag.
pub const TAG: &str = "operator_order";
/// The payload's type.
pub const TYPE: &str = "kez.chat.operator_order";

/// What shall become of a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It gets no mail, and its key opens no door. Its key and its mail stay its.
    Suspend,
    /// It is as any other again.
    Lift,
    /// It is given back, as its owner could do; a suspension stays.
    Release,
}

/// The payload of an order's envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OperatorOrder {
    /// Always [`TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// Always 1.
    pub version: u32,
    /// What shall become of the handle.
    pub action: Action,
    /// The handle.
    pub handle: Handle,
    /// The operator's key, which signs: that of their nkey.
    pub primary: Primary,
    /// The server that it is meant for.
    pub server: ServerName,
    /// When it was signed; within ±300 s of the server's clock, and later than the order before about this handle.
    pub created_at: Timestamp,
}

impl OperatorOrder {
    /// The payload for this order.
    pub fn new(
        action: Action,
        handle: Handle,
        primary: Primary,
        server: ServerName,
        created_at: Timestamp,
    ) -> Self {
        Self { kind: TYPE.into(), version: 1, action, handle, primary, server, created_at }
    }
}

/// An order that is right in everything but time, and in who may give one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What shall become of the handle.
    pub action: Action,
    /// The handle.
    pub handle: Handle,
    /// Who signed.
    pub primary: Primary,
    /// When it was signed.
    pub created_at: Timestamp,
    /// Names this very envelope.
    pub digest: String,
}

impl Order {
    /// Verifies an envelope's bytes for this server. Errors: as of [`registration::Registration::verify`], then `invalid_parameter` for an unknown action.
    pub fn verify(bytes: &[u8], server: &ServerName) -> Result<Self, Code> {
        let registration::Registration { handle, primary, created_at, digest } =
            registration::read(bytes, TAG, TYPE, server)?;
        let action = envelope::verify(bytes, TAG, TYPE)?.payload["action"].take();
        let action = serde_json::from_value(action).map_err(|_| Code::InvalidParameter)?;
        Ok(Self { action, handle, primary, created_at, digest })
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
    use serde_json::json;

    use super::*;

    #[test]
    fn its_form_is_fixed() {
        let key = SigningKey::from_bytes(&[9; 32]);
        let primary = Primary::from_bytes(key.verifying_key().as_bytes()).unwrap();
        let (handle, server): (Handle, ServerName) = ("alice".parse().unwrap(), "kez.lat".parse().unwrap());
        let at: Timestamp = "2026-05-25T03:00:00Z".parse().unwrap();
        let order = OperatorOrder::new(Action::Suspend, handle.clone(), primary, server.clone(), at);
        let canonical = crate::json::canonical(&serde_json::to_value(&order).unwrap()).unwrap();
        assert_eq!(String::from_utf8(canonical.clone()).unwrap(), CANONICAL);
        let sig = HEXLOWER.encode(&key.sign(&canonical).to_bytes());
        assert_eq!(sig, SIGNATURE);
        let signature = json!({"alg": envelope::ED25519_JCS, "key": primary, "sig": sig});
        let envelope = json!({"kez": TAG, "payload": order, "signature": signature});
        let read = Order::verify(envelope.to_string().as_bytes(), &server).unwrap();
        let digest = read.digest.clone();
        assert_eq!(read, Order { action: Action::Suspend, handle, primary, created_at: at, digest });
    }

    const CANONICAL: &str = r#"{"action":"suspend","created_at":"2026-05-25T03:00:00Z","handle":"alice","primary":"ed25519:fd1724385aa0c75b64fb78cd602fa1d991fdebf76b13c58ed702eac835e9f618","server":"kez.lat","type":"kez.chat.operator_order","version":1}"#;
    const SIGNATURE: &str = "7a203bad92d5f09f25fc4a3d8a908dcc59015b80671de0d15d0a2b763cd8bd763d0458d6524ae5397624db16f855b176ca786b23fdbceacc20f11ff30203c50b";
}
