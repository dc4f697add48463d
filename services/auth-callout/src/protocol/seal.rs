//! Sealing between nats-server and callout (xkey): a NaCl box from one curve key to the other.

use nkeys::XKey;

use super::Invalid;

/// The other side's key, from the header of its message; it is the server's, and another one at each start of it.
pub fn peer(header: &str) -> Result<XKey, Invalid> {
    XKey::from_public_key(header).map_err(|_| Invalid::Seal)
}

/// What `from` sealed for `own`.
pub fn open(own: &XKey, from: &XKey, payload: &[u8]) -> Result<Vec<u8>, Invalid> {
    own.open(payload, from).map_err(|_| Invalid::Seal)
}

/// Sealed by `own` for `to`.
pub fn seal(own: &XKey, to: &XKey, payload: &[u8]) -> Result<Vec<u8>, Invalid> {
    own.seal(payload, to).map_err(|_| Invalid::Internal)
}
