//! The forms in which a signed envelope is put where others find it: as JSON, as one word, in a page, in the DNS. A decoder gives the envelope's JSON,
//! unverified; compare values, not compressed bytes, which differ from one compressor to another.

mod compact;
mod markdown;
mod txt;

pub use compact::{PREFIX as COMPACT_PREFIX, decode as from_compact, encode as to_compact};
pub(crate) use compact::{pack, unpack};
pub use markdown::{decode as from_markdown, encode as to_markdown};
pub use txt::{decode as from_txt, encode as to_txt, host as txt_host};

use crate::{json, limits::CLAIM_BYTES};

/// Where a web site has its proof.
pub const WELL_KNOWN: &str = "/.well-known/kez.json";

/// Why there is no envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// Nothing here says that it is a proof.
    #[error("there is no proof here")]
    Absent,
    /// Something says that it is one, and can't be read.
    #[error("there is a proof here, but it is damaged")]
    Corrupt,
    /// It is larger than proofs are, or would be once inflated.
    #[error("there is a proof here, but it is too large")]
    TooLarge,
}

/// Finds the envelope in a text of any form but the DNS's: bare JSON, the compact word, or a page with a fence. At most 16 KiB of JSON.
pub fn decode(text: &str) -> Result<Vec<u8>, Undecodable> {
    let bare = text.trim();
    if bare.starts_with(PREFIXES) {
        word(bare)
    } else if bare.starts_with('{') {
        json_object(bare.as_bytes())
    } else {
        markdown::decode(text)
    }
}

/// What the compact words begin with, this version's and others'.
const PREFIXES: &str = "kez:z";

/// A text that says it is a proof: of a version that isn't known here, it is no better than a damaged one.
fn word(text: &str) -> Result<Vec<u8>, Undecodable> {
    match compact::decode(text) {
        Err(Undecodable::Absent) => Err(Undecodable::Corrupt),
        decoded => decoded,
    }
}

/// Bytes that are one JSON object, as signatures need it.
fn json_object(bytes: &[u8]) -> Result<Vec<u8>, Undecodable> {
    if bytes.len() > CLAIM_BYTES {
        return Err(Undecodable::TooLarge);
    }
    match json::parse_strict(bytes) {
        Ok(value) if value.is_object() => Ok(bytes.to_vec()),
        _ => Err(Undecodable::Corrupt),
    }
}
