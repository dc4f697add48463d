//! Writing a message and sealing it.

use getrandom::SysRng;
use hpke::{HpkeError, rand_core::UnwrapErr};
use kez_proto::{
    Primary,
    limits::SEALED_JSON_BYTES,
    sealed::{Body, Message, MessageId, Sealed, TAG, padding},
};
use serde_json::value::{RawValue, to_raw_value};
use zeroize::Zeroizing;

use super::suite;
use crate::{Identity, identity::SignError};

/// Why a message can't be sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It is somebody else's, or has no canonical form.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// It is longer than a sealed message may be.
    #[error("the message is {} bytes too long", .bytes - SEALED_JSON_BYTES)]
    TooLarge {
        /// How long its signed JSON is, in bytes.
        bytes: usize,
    },
    /// Nothing can be sealed to this recipient's key.
    #[error("nothing can be sealed to this key: {0}")]
    Key(HpkeError),
}

/// A new message, at this moment, with an id from the system's randomness.
pub fn compose(sender: &Identity, to: Primary, body: impl Into<Body>) -> Result<Message, getrandom::Error> {
    let mut id = [0; 16];
    getrandom::fill(&mut id)?;
    Ok(Message { id: MessageId(id), primary: sender.primary(), to, sent_at: crate::now(), body: body.into() })
}

/// Signs a message and seals it: the envelope's bytes.
///
/// A retry sends these very bytes again, for the server knows them by that. Once `sent_at` is older than
/// [`SENT_SKEW_SECS`](kez_proto::limits::SENT_SKEW_SECS) no reader would take them: then the sender sets it anew and seals again, with the same id.
pub fn seal(sender: &Identity, message: &Message) -> Result<Box<RawValue>, SealError> {
    seal_for(&message.to, sender, message)
}

/// Seals the same statement for its sender, whose other devices find it in their own inbox.
pub fn seal_copy(sender: &Identity, message: &Message) -> Result<Box<RawValue>, SealError> {
    seal_for(&sender.primary(), sender, message)
}

fn seal_for(reader: &Primary, sender: &Identity, message: &Message) -> Result<Box<RawValue>, SealError> {
    let sealed =
        suite::seal(reader, &plaintext(sender, message)?, &mut UnwrapErr(SysRng)).map_err(SealError::Key)?;
    Ok(envelope(&sealed))
}

/// The signed message, padded.
pub(super) fn plaintext(sender: &Identity, message: &Message) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let signed = sender.sign_envelope(TAG, &message.payload())?;
    let json = Zeroizing::new(serde_json::to_vec(&signed).expect("a signed envelope is plain JSON"));
    let padded = padding::pad(&json).ok_or(SealError::TooLarge { bytes: json.len() })?;
    Ok(Zeroizing::new(padded))
}

pub(super) fn envelope(sealed: &Sealed) -> Box<RawValue> {
    to_raw_value(&sealed.to_json()).expect("two texts and a number are plain JSON")
}
