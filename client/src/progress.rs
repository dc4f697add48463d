//! What a reader remembers over restarts: its place, and the messages that it has shown.

use serde::{Deserialize, Serialize};

use crate::{Cursor, sealing::Seen};

/// Content of `cursor.json`. Place and memory are one file: if one is lost, so is the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The place in the inbox.
    #[serde(flatten)]
    pub cursor: Cursor,
    /// The messages that were shown: what comes under another `seq` (sealed or stored twice, or read again after a resync) is shown once.
    #[serde(flatten)]
    pub seen: Seen,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_form_on_disk() {
        let json = format!(r#"{{"epoch":"e1","seq":12,"floor":99,"seen":[[100,"{}"]]}}"#, "ab".repeat(16));
        let progress: Progress = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&progress).unwrap(), json);
        assert_ne!(progress.seen, Seen::default());
        assert!(serde_json::from_str::<Progress>(r#"{"epoch":"e1","seq":12}"#).is_err());
    }
}
