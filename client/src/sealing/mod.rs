//! Sealed messages (see [`kez_proto::sealed`]): sealing to a recipient's primary, opening, and what a reader remembers. Nothing here knows a server: bytes
//! come in, and messages or refusals go out.
//!
//! Who is asked in which order: [`Pins`] whether a handle's key is still the known one, or [`is_successor`] whether it follows that one; then [`seal`] and
//! [`seal_copy`], or [`Opener`] and [`Seen`].
//!
//! Whoever gets hold of a person's root key reads all mail that was ever sealed to it: HPKE's base mode has no forward secrecy against that.

mod opener;
mod pins;
mod seal;
mod seen;
mod successor;
mod suite;
#[cfg(test)]
mod vectors;

pub use opener::Opener;
pub use pins::{KeyChanged, Pinned, Pins};
pub use seal::{SealError, compose, seal, seal_copy};
pub use seen::Seen;
pub use successor::is_successor;
