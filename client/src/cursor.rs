//! How far a reader has come. Plain rules; whoever carries the bytes calls them.

use kez_proto::sse::{Ready, Resync, ResyncReason};
use serde::{Deserialize, Serialize};

/// A place in an inbox: everything up to `seq` was read. A `seq` means something within its epoch only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The epoch, once a server has told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// The last message that was read; 0 for none.
    pub seq: u64,
}

/// The stream began behind this reader's place: messages would be missed without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped;

impl Cursor {
    /// A stream began. Another epoch means another store, whose messages count from the start.
    pub fn ready(&mut self, ready: &Ready) -> Result<(), Skipped> {
        if self.enter(&ready.epoch) || ready.cursor <= self.seq { Ok(()) } else { Err(Skipped) }
    }

    /// The server says where to go on. Returns whether the stream ends with that.
    pub fn resync(&mut self, resync: &Resync) -> bool {
        let anew = self.enter(&resync.epoch) || resync.reason == ResyncReason::Cursor;
        // What this reader hasn't had stays before it, whatever the server believes it has sent.
        self.seq = if anew { resync.cursor } else { self.seq.min(resync.cursor) };
        resync.reason != ResyncReason::Cursor
    }

    /// A message came; `false` if it was had before.
    pub fn advance(&mut self, seq: u64) -> bool {
        let new = seq > self.seq;
        self.seq = self.seq.max(seq);
        new
    }

    /// Takes on the server's epoch. `true` if an earlier, other one was left, and the place within it with it.
    pub(crate) fn enter(&mut self, epoch: &str) -> bool {
        let other = self.epoch.as_deref().is_some_and(|mine| mine != epoch);
        if other {
            self.seq = 0;
        }
        if self.epoch.as_deref() != Some(epoch) {
            self.epoch = Some(epoch.to_owned());
        }
        other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(epoch: &str, seq: u64) -> Cursor {
        Cursor { epoch: Some(epoch.into()), seq }
    }
    fn ready(epoch: &str, cursor: u64) -> Ready {
        Ready { cursor, epoch: epoch.into() }
    }
    fn resync(reason: ResyncReason, epoch: &str, cursor: u64) -> Resync {
        Resync { reason, cursor, epoch: epoch.into() }
    }

    #[test]
    fn ready_keeps_the_place_or_starts_over_in_another_epoch() {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.ready(&ready("e1", 0)), Ok(()));
        assert_eq!(cursor, at("e1", 0));
        assert!(cursor.advance(9));
        assert_eq!(cursor.ready(&ready("e1", 9)), Ok(()));
        assert_eq!(cursor, at("e1", 9));
        assert_eq!(cursor.ready(&ready("e2", 9)), Ok(()));
        assert_eq!(cursor, at("e2", 0));
    }

    #[test]
    fn a_stream_that_skips_is_found_out() {
        assert_eq!(at("e1", 9).ready(&ready("e1", 10)), Err(Skipped));
        assert_eq!(Cursor::default().ready(&ready("e1", 1)), Err(Skipped));
    }

    #[test]
    fn resync_never_goes_past_what_was_read() {
        use ResyncReason::{Cursor as Place, Gap, Slow};
        for (start, event, end, ends) in [
            (at("e1", 9), resync(Place, "e1", 0), at("e1", 0), false),
            (at("e1", 9), resync(Place, "e2", 0), at("e2", 0), false),
            (Cursor::default(), resync(Place, "e1", 0), at("e1", 0), false),
            (at("e1", 9), resync(Slow, "e1", 12), at("e1", 9), true),
            (at("e1", 9), resync(Gap, "e1", 5), at("e1", 5), true),
            (at("e1", 9), resync(Gap, "e2", 3), at("e2", 3), true),
        ] {
            let mut cursor = start.clone();
            assert_eq!(cursor.resync(&event), ends, "{start:?} {event:?}");
            assert_eq!(cursor, end, "{start:?} {event:?}");
        }
    }

    #[test]
    fn duplicates_are_dropped() {
        let mut cursor = at("e1", 5);
        assert!(!cursor.advance(5) && !cursor.advance(4) && cursor.advance(8) && !cursor.advance(8));
        assert_eq!(cursor.seq, 8);
    }
}
