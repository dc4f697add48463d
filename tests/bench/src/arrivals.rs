//! When each message was due to be sent, and when it came.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::time::{sleep, timeout};

/// Messages of one run of this program to one system.
const CAPACITY: usize = 4_000_000;
/// Whatever is acknowledged comes in this time, or this program fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// One for each system. Messages are named by numbers, from 0.
pub struct Arrivals {
    began: Instant,
    next: AtomicUsize,
    count: AtomicUsize,
    due: Box<[AtomicU64]>,
    came: Box<[AtomicU64]>,
}

impl Arrivals {
    pub fn new() -> Self {
        // Pages that nobody writes to take no memory.
        let zeros = || (0..CAPACITY).map(|_| AtomicU64::new(0)).collect();
        Self {
            began: Instant::now(),
            next: AtomicUsize::new(0),
            count: AtomicUsize::new(0),
            due: zeros(),
            came: zeros(),
        }
    }

    /// A number for a message that is due at this time.
    pub fn due(&self, at: Instant) -> usize {
        let n = self.next.fetch_add(1, Relaxed);
        assert!(
            n < CAPACITY,
            "more than {CAPACITY} messages of one run: choose fewer --seconds or --repeats"
        );
        self.due[n].store(self.since(at), Relaxed);
        n
    }

    /// It came just now; a second time is a failure.
    pub fn came(&self, n: usize) {
        let before = self.came[n].swap(self.since(Instant::now()), Relaxed);
        assert_eq!(before, 0, "message {n} came twice");
        self.count.fetch_add(1, Relaxed);
    }

    fn since(&self, at: Instant) -> u64 {
        (at - self.began).as_nanos() as u64
    }

    /// Messages that were named so far.
    pub fn named(&self) -> usize {
        self.next.load(Relaxed)
    }

    /// Messages that came so far.
    pub fn arrived(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// Waits until all that were named have come.
    pub async fn all(&self) {
        let all = async {
            while self.arrived() < self.named() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let in_time = timeout(PATIENCE, all).await.is_ok();
        assert!(in_time, "{} messages didn't come", self.named() - self.arrived());
    }

    /// From when they were due until they came, in nanoseconds: of those from this number on.
    pub fn latencies(&self, from: usize) -> Histogram<u64> {
        let mut histogram = Histogram::new(3).expect("three digits are possible");
        for n in from..self.named() {
            let took = self.came[n].load(Relaxed).saturating_sub(self.due[n].load(Relaxed));
            histogram.record(took).expect("it grows as it must");
        }
        histogram
    }
}
