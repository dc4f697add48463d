//! What a reader has and what it lacks, by pushes that may be lost and pages of history that may be old. Plain rules: no connection, no clock.
//!
//! The invariant: everything stored at or below the cursor was given out, once and in order. A push is taken only if it names as its predecessor a
//! message at or below the cursor. Whatever else tells that there is more (such a push, the head of a page) makes the reader ask history, until it
//! has what it was told of.

use kez_proto::mail::{Message, Page};

use crate::Cursor;

/// Pages in a row that bring nothing and can't be right. A replica that lags, or a leader that was just elected, does so for a moment.
const STALE_READS: u32 = 10;

/// A reader's place in its inbox.
#[derive(Debug)]
pub(crate) struct Feed {
    cursor: Cursor,
    /// The highest sequence that is known to be stored.
    known: u64,
    /// History is to be read to its end, whatever is known.
    unread: bool,
    stale_reads: u32,
}

/// What a push is to the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Push {
    /// The next message.
    Next,
    /// It was had.
    Old,
    /// Messages before it are missing, and so it is left to history too.
    Gap,
}

/// What a page is to the reader.
#[derive(Debug)]
pub(crate) enum Read {
    /// The next messages, in order.
    Messages(Vec<Message>),
    /// It lacks what is known to be stored: ask again a little later.
    Stale,
    /// It still does after so many times: another connection may lead to a server that knows more.
    Contradiction,
    /// The cursor was none of this store. It is at the beginning now.
    Anew,
}

/// A page that no server of ours sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("a page of mail isn't in order")]
    Disorder,
    #[error("a page of mail doesn't tell the inbox's head")]
    NoHead,
}

impl Feed {
    pub(crate) fn new(cursor: Cursor) -> Self {
        Self { cursor, known: 0, unread: true, stale_reads: 0 }
    }

    pub(crate) fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// Whether history is to be read before the reader may wait for pushes.
    pub(crate) fn behind(&self) -> bool {
        self.unread || self.known > self.cursor.seq
    }

    /// Pushes may have been lost that no later push tells of.
    pub(crate) fn check(&mut self) {
        self.unread = true;
    }

    /// A new connection: pushes were lost, and what an earlier server said is no longer held against this one.
    pub(crate) fn reconnected(&mut self) {
        self.unread = true;
        self.known = 0;
        self.stale_reads = 0;
    }

    /// A push: its own sequence, and that of the same inbox's previous message that was still stored (0 for none).
    pub(crate) fn push(&mut self, seq: u64, previous: u64) -> Push {
        if seq <= self.cursor.seq {
            return Push::Old;
        }
        if previous > self.cursor.seq {
            self.known = self.known.max(seq);
            return Push::Gap;
        }
        self.cursor.seq = seq;
        Push::Next
    }

    /// A page of history that was asked for behind the cursor, with the head.
    pub(crate) fn page(&mut self, page: Page) -> Result<Read, Malformed> {
        if self.cursor.enter(&page.epoch) {
            return Ok(self.anew());
        }
        let since = self.cursor.seq;
        let head = page.head.ok_or(Malformed::NoHead)?;
        let end = end_of(&page, since).ok_or(Malformed::Disorder)?;
        // Mail is deleted from the front: an empty inbox has nothing that a push told of, and one that isn't empty has its newest message.
        self.known = if head == 0 { 0 } else { self.known.max(head) };
        if end > since {
            self.stale_reads = 0;
            self.cursor.seq = end;
            self.unread = page.next.is_some();
            return Ok(Read::Messages(page.messages));
        }
        // For the same reason no cursor of this store is beyond the head, unless the inbox is empty.
        let beyond = (1..since).contains(&head);
        if !beyond && self.known <= since {
            self.stale_reads = 0;
            self.unread = false;
            return Ok(Read::Messages(vec![]));
        }
        self.stale_reads += 1;
        match self.stale_reads {
            0..STALE_READS => Ok(Read::Stale),
            _ if beyond => Ok(self.anew()),
            _ => Ok(Read::Contradiction),
        }
    }

    fn anew(&mut self) -> Read {
        self.cursor.seq = 0;
        self.reconnected();
        Read::Anew
    }
}

/// Where the reader stands behind this page; none if its messages, and the cursor of the next page, don't follow one another.
fn end_of(page: &Page, since: u64) -> Option<u64> {
    let mut end = since;
    for message in &page.messages {
        end = Some(message.seq).filter(|&seq| seq > end)?;
    }
    match page.next {
        // A page with a successor that leads nowhere would be asked for without end.
        Some(next) => Some(next).filter(|&next| next >= end && next > since),
        None => Some(end),
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;
    use serde_json::value::RawValue;

    use super::*;

    const NOTHING: [u64; 0] = [];

    fn message(seq: u64) -> Message {
        let envelope = RawValue::from_string("{}".to_owned()).unwrap();
        Message { seq, created_at: "2026-05-25T03:00:00Z".parse().unwrap(), envelope }
    }

    fn page(seqs: &[u64], next: Option<u64>, head: u64) -> Page {
        Page {
            messages: seqs.iter().map(|&seq| message(seq)).collect(),
            next,
            epoch: "e1".into(),
            head: Some(head),
        }
    }

    /// A reader of epoch `e1` that has everything up to here.
    fn reader(seq: u64) -> Feed {
        let mut feed = Feed::new(Cursor { epoch: Some("e1".into()), seq });
        assert!(feed.behind(), "a new reader reads history first");
        assert_eq!(taken(feed.page(page(&[], None, seq))), NOTHING);
        assert!(!feed.behind());
        feed
    }

    fn taken(read: Result<Read, Malformed>) -> Vec<u64> {
        match read {
            Ok(Read::Messages(messages)) => messages.iter().map(|m| m.seq).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn pushes_in_order_need_no_history() {
        let mut feed = reader(5);
        assert_eq!(feed.push(8, 5), Push::Next);
        assert_eq!(feed.push(8, 5), Push::Old);
        assert_eq!(feed.push(12, 8), Push::Next);
        assert_eq!(feed.push(13, 0), Push::Next, "what was before it was deleted");
        assert!(!feed.behind());
        assert_eq!(feed.cursor().seq, 13);
    }

    #[test]
    fn a_missing_predecessor_is_read_first() {
        let mut feed = reader(5);
        assert_eq!(feed.push(9, 7), Push::Gap);
        assert!(feed.behind());
        assert_eq!(taken(feed.page(page(&[7], Some(7), 9))), [7]);
        assert!(feed.behind(), "the page has a successor");
        assert_eq!(taken(feed.page(page(&[9], None, 9))), [9]);
        assert!(!feed.behind());
        assert_eq!(feed.push(9, 7), Push::Old);
    }

    #[test]
    fn a_gap_that_was_deleted_is_none() {
        let mut feed = reader(5);
        assert_eq!(feed.push(9, 7), Push::Gap);
        assert_eq!(taken(feed.page(page(&[], None, 0))), NOTHING);
        assert!(!feed.behind());
        assert_eq!(feed.push(11, 0), Push::Next);
    }

    #[test]
    fn a_check_finds_the_lost_last_message() {
        let mut feed = reader(5);
        feed.check();
        assert!(feed.behind());
        assert_eq!(taken(feed.page(page(&[6], Some(6), 6))), [6]);
        assert!(feed.behind(), "there is more, which came after the head was read");
        assert_eq!(taken(feed.page(page(&[8], None, 8))), [8]);
        assert!(!feed.behind());
    }

    /// What the leader has must be read, however long a replica takes; but not for ever.
    #[test]
    fn a_replica_that_lags_is_asked_again() {
        let mut feed = reader(5);
        feed.check();
        for _ in 1..STALE_READS {
            assert!(matches!(feed.page(page(&[], None, 7)), Ok(Read::Stale)));
            assert!(feed.behind());
        }
        assert_eq!(taken(feed.page(page(&[6], None, 7))), [6]);
        assert!(feed.behind());
        for _ in 1..STALE_READS {
            assert!(matches!(feed.page(page(&[], None, 7)), Ok(Read::Stale)));
        }
        assert!(matches!(feed.page(page(&[], None, 7)), Ok(Read::Contradiction)));
        feed.reconnected();
        assert_eq!(taken(feed.page(page(&[7], None, 7))), [7]);
        assert!(!feed.behind());
    }

    #[test]
    fn a_pushed_message_is_there_whatever_a_leader_says_that_was_just_elected() {
        let mut feed = reader(5);
        assert_eq!(feed.push(9, 7), Push::Gap);
        assert!(matches!(feed.page(page(&[], None, 5)), Ok(Read::Stale)));
        assert_eq!(taken(feed.page(page(&[7, 9], None, 9))), [7, 9]);
        assert!(!feed.behind());
    }

    #[test]
    fn a_new_connection_reads_first_and_believes_the_server_it_leads_to() {
        let mut feed = reader(5);
        assert_eq!(feed.push(9, 7), Push::Gap);
        assert!(matches!(feed.page(page(&[], None, 5)), Ok(Read::Stale)));
        feed.reconnected();
        assert!(feed.behind());
        assert_eq!(taken(feed.page(page(&[], None, 5))), NOTHING);
        assert!(!feed.behind());
        feed.reconnected();
        assert!(feed.behind(), "pushes were lost with the connection");
    }

    #[test]
    fn another_epoch_starts_over() {
        let mut feed = reader(5);
        feed.check();
        let mut other = page(&[6], None, 6);
        other.epoch = "e2".into();
        assert!(matches!(feed.page(other), Ok(Read::Anew)));
        assert_eq!(feed.cursor(), &Cursor { epoch: Some("e2".into()), seq: 0 });
        assert!(feed.behind());
    }

    #[test]
    fn a_cursor_beyond_the_store_starts_over_once_that_is_certain() {
        let mut feed = reader(50);
        feed.check();
        assert_eq!(taken(feed.page(page(&[], None, 0))), NOTHING, "the inbox is empty: all was deleted");
        feed.check();
        for _ in 1..STALE_READS {
            assert!(matches!(feed.page(page(&[], None, 7)), Ok(Read::Stale)));
        }
        assert!(matches!(feed.page(page(&[], None, 7)), Ok(Read::Anew)));
        assert_eq!(taken(feed.page(page(&[6, 7], None, 7))), [6, 7]);
        assert!(!feed.behind());
    }

    #[test]
    fn a_first_reader_takes_on_the_epoch_and_its_place() {
        let mut feed = Feed::new(Cursor::default());
        assert_eq!(taken(feed.page(page(&[1], None, 1))), [1]);
        assert_eq!(feed.cursor(), &Cursor { epoch: Some("e1".into()), seq: 1 });
    }

    #[test]
    fn pages_that_cannot_be_are_refused() {
        for bad in [
            page(&[7, 6], None, 7),
            page(&[6, 6], None, 6),
            page(&[4], None, 6),
            page(&[], Some(5), 6),
            page(&[7], Some(6), 7),
        ] {
            let mut feed = reader(5);
            feed.check();
            assert_eq!(feed.page(bad).unwrap_err(), Malformed::Disorder);
        }
        let mut headless = page(&[6], None, 6);
        headless.head = None;
        assert_eq!(reader(5).page(headless).unwrap_err(), Malformed::NoHead);
    }

    /// One inbox as its stream keeps it: other inboxes' messages lie between, and mail is deleted from the front.
    #[derive(Default)]
    struct Store {
        last: u64,
        kept: Vec<u64>,
        all: Vec<u64>,
        deleted: Vec<u64>,
    }

    impl Store {
        /// Stores a message; its push.
        fn append(&mut self, random: &mut Rng) -> (u64, u64) {
            self.last += random.u64(1..4);
            let previous = self.kept.last().copied().unwrap_or(0);
            self.kept.push(self.last);
            self.all.push(self.last);
            (self.last, previous)
        }

        fn delete(&mut self, through: u64) {
            self.deleted.extend(self.kept.iter().filter(|&&seq| seq <= through));
            self.kept.retain(|&seq| seq > through);
        }

        /// A page as a replica gives it, which may not have the newest messages yet.
        fn page(&self, since: u64, random: &mut Rng) -> Page {
            let lag = if random.u8(..) < 60 { random.usize(..4) } else { 0 };
            let there = &self.kept[..self.kept.len().saturating_sub(lag)];
            let behind: Vec<u64> = there.iter().copied().filter(|&seq| seq > since).collect();
            let size = random.usize(1..4);
            let next = (behind.len() > size).then(|| behind[size - 1]);
            page(&behind[..behind.len().min(size)], next, self.kept.last().copied().unwrap_or(0))
        }
    }

    /// Reads history for as long as the reader wants it, now and then interrupted by whatever else happens.
    fn catch_up(feed: &mut Feed, store: &Store, had: &mut Vec<u64>, random: &mut Rng) {
        while feed.behind() {
            match feed.page(store.page(feed.cursor().seq, random)).unwrap() {
                Read::Messages(messages) => had.extend(messages.iter().map(|m| m.seq)),
                Read::Stale => {}
                Read::Contradiction => feed.reconnected(),
                Read::Anew => panic!("the cursor is of this store"),
            }
        }
    }

    /// Whatever is lost, comes twice or out of order, whatever is deleted meanwhile: each message that is stored is given out once, in order.
    #[test]
    fn every_stored_message_once_and_in_order() {
        for seed in 0..3000 {
            let random = &mut Rng::with_seed(seed);
            let (mut store, mut feed) = (Store::default(), Feed::new(Cursor::default()));
            let mut had = vec![];
            // Pushes under way.
            let mut wire: Vec<(u64, u64)> = vec![];
            for _ in 0..random.usize(1..80) {
                match random.u8(..100) {
                    0..40 => {
                        let push = store.append(random);
                        if random.u8(..4) > 0 {
                            wire.push(push);
                        }
                        if random.u8(..10) == 0 {
                            wire.push(push);
                        }
                    }
                    40..75 if !wire.is_empty() => {
                        // Mostly in order.
                        let n = if random.u8(..5) == 0 { random.usize(..wire.len()) } else { 0 };
                        let (seq, previous) = wire.remove(n);
                        if feed.push(seq, previous) == Push::Next {
                            had.push(seq);
                        }
                    }
                    75..90 => catch_up(&mut feed, &store, &mut had, random),
                    90..93 => store.delete(random.u64(..=store.last)),
                    93..96 => feed.check(),
                    96..98 => {
                        wire.clear();
                        feed.reconnected();
                    }
                    _ => {}
                }
            }
            wire.clear();
            feed.check();
            catch_up(&mut feed, &store, &mut had, random);
            assert!(had.is_sorted_by(|a, b| a < b), "seed {seed}: {had:?}");
            let missing: Vec<_> =
                store.all.iter().filter(|seq| !had.contains(seq) && !store.deleted.contains(seq)).collect();
            assert!(missing.is_empty(), "seed {seed}: {missing:?} were stored, had: {had:?}");
        }
    }
}
