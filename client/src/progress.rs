//! What a reader remembers over restarts: its place, and the messages that it has shown lately.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::Cursor;

/// Message ids remembered, at most.
pub const SEEN: usize = 1000;

/// Content of `cursor.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The place in the inbox.
    #[serde(flatten)]
    pub cursor: Cursor,
    /// Ids of messages shown, oldest first, at most [`SEEN`]: a message that comes under another `seq` (sent twice, or read again
    /// after a resync) is shown once.
    #[serde(default)]
    seen: VecDeque<String>,
}

impl Progress {
    /// Whether a message was shown lately.
    pub fn has_shown(&self, id: &str) -> bool {
        self.seen.iter().any(|seen| seen == id)
    }

    /// Notes that a message is shown; `false` if it was before.
    pub fn remember(&mut self, id: &str) -> bool {
        if self.has_shown(id) {
            return false;
        }
        self.seen.push_back(id.to_owned());
        self.seen.drain(..self.seen.len().saturating_sub(SEEN));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_thousand_are_remembered() {
        let mut progress = Progress::default();
        assert!(progress.remember("first") && !progress.remember("first"));
        for i in 0..SEEN {
            assert!(progress.remember(&i.to_string()));
        }
        assert_eq!(progress.seen.len(), SEEN);
        assert!(progress.remember("first"), "the oldest was kept");
        assert!(!progress.remember("999"));
    }

    #[test]
    fn its_form_on_disk() {
        let json = r#"{"epoch":"e1","seq":12,"seen":["a"]}"#;
        let progress: Progress = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&progress).unwrap(), json);
        assert_eq!(serde_json::from_str::<Progress>(r#"{"epoch":"e1","seq":12}"#).unwrap().cursor.seq, 12);
    }
}
