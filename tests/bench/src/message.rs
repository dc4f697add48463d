//! The message that everything is measured with: an envelope of 600 bytes with a number in it.

use bytes::Bytes;
use memchr::memmem;

const MARK: &[u8] = b"\"n\":\"";
const DIGITS: usize = 10;
const PAD: usize = 548;

/// Makes envelopes; those of one run differ from those of every other.
#[derive(Clone)]
pub struct Envelopes {
    run: String,
    pad: String,
}

impl Envelopes {
    pub fn new() -> Self {
        Self { run: format!("{:016x}", fastrand::u64(..)), pad: "x".repeat(PAD) }
    }

    pub fn envelope(&self, n: usize) -> String {
        let Self { run, pad } = self;
        format!(r#"{{"n":"{n:0DIGITS$}","run":"{run}","pad":"{pad}"}}"#)
    }

    /// The body of a send.
    pub fn body(&self, to: &str, n: usize) -> Bytes {
        format!(r#"{{"to":"{to}","envelope":{}}}"#, self.envelope(n)).into()
    }

    /// What names the message for a server that tells retries.
    pub fn id(&self, n: usize) -> String {
        format!("{}{n}", self.run)
    }
}

/// The number in an envelope, wherever in these bytes it is.
pub fn number(bytes: &[u8]) -> Option<usize> {
    let begins = memmem::find(bytes, MARK)? + MARK.len();
    std::str::from_utf8(bytes.get(begins..begins + DIGITS)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_found_again() {
        let envelopes = Envelopes::new();
        assert_eq!(number(&envelopes.body("alice", 1234)), Some(1234));
        assert_eq!(number(b"event: ready\n\n"), None);
        assert_eq!(envelopes.envelope(0).len(), 600);
    }
}
