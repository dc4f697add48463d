//! Identity: whose key a statement is by, which accounts elsewhere are the same person's, and how a person goes on under another key
//! (kez-formats). The rules are plain functions of bytes; where time matters, it comes in as an argument.
//!
//! - [`Key`]: who signs; [`Subject`]: which account a claim is about.
//! - [`verify_envelope`]: the one way into a signed envelope, whatever its suite.
//! - [`Claim`], [`Event`]: what is signed. [`Chain`]: what the events of one chain come to.
//! - [`Signer`]: where secrets are. [`mnemonic`]: the words that a secret is written down as.
//! - [`proof`], [`export`]: the forms in which claims and chains travel.

mod chain;
mod claim;
mod event;
pub mod export;
mod key;
pub mod mnemonic;
mod nostr;
mod op;
pub mod proof;
mod sign;
mod subject;
pub(crate) mod suite;

pub use chain::{Broken, Chain, Device, KeyPeriod, Listed};
pub use claim::{Claim, ClaimPayload};
pub use event::{Event, EventPayload, link};
pub use key::Key;
pub use nostr::NostrKey;
pub use op::{Op, Target};
pub use sign::Signer;
pub use subject::{Subject, System};
pub use suite::{NOSTR_JCS, verify_envelope};
