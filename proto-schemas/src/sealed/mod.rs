//! Sealed messages: a statement that its sender signed, padded, and encrypted to the recipient's key. What needs no cipher is here: the envelope on the
//! wire, the padding, and what a reader checks of the statement. Sealing and opening are the client's.
//!
//! HPKE (RFC 9180) in base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and ChaCha20-Poly1305, to the X25519 form of the recipient's primary;
//! [`INFO`] is its `info`, the recipient's primary as text its `aad`.
//!
//! A reader checks in this order, and each failure is a [`Refusal`]: the envelope decodes, it opens, the padding is right, the signature holds, `to` or the
//! signer is the reader, `sent_at` is near the time at which the server stored it, the id is well formed and wasn't seen before.
//!
//! A sender's own copy is the very same statement, sealed to the sender: their other devices read in it what was said, and to whom.

mod envelope;
mod id;
mod message;
pub mod padding;
mod refusal;

pub use envelope::Sealed;
pub use id::MessageId;
pub use message::{Body, Message};
pub use refusal::Refusal;

/// `v` of the envelope.
pub const VERSION: u32 = 2;
/// HPKE's `info`: a ciphertext of another protocol doesn't open here.
pub const INFO: &[u8] = b"kez-chat/v2";
/// The tag of the statement inside.
pub const TAG: &str = "message";
/// The type of its payload.
pub const TYPE: &str = "kez.chat.message";
