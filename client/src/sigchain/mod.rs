//! Identity logs (see [`kez_proto::identity`]) on the client's side: read from a server and believed only as far as they prove themselves, and kept in the
//! person's own folder, so that they outlive the server.

mod document;
mod kept;
mod log;
mod served;

pub use document::{Document, Unreadable};
pub use log::{Likeness, Sigchain};
pub use served::Untrusted;
