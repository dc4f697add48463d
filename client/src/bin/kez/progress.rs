//! What takes long says how far it is.

use std::{future::Future, pin::pin, time::Duration};

use tokio::time::{Instant, interval_at};

use crate::output::Output;

/// A person wonders after so long.
const EVERY: Duration = Duration::from_secs(2);

/// How far one thing is. It says so every two seconds, and nothing if it is done before.
pub struct Progress<'a> {
    out: &'a Output,
    what: String,
    begun: Instant,
    told: Instant,
    bytes: u64,
}

impl<'a> Progress<'a> {
    /// Nothing of it is done yet.
    pub fn new(out: &'a Output, what: String) -> Self {
        let now = Instant::now();
        Self { out, what, begun: now, told: now, bytes: 0 }
    }

    /// So many bytes more are done.
    pub fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        if self.told.elapsed() >= EVERY {
            self.tell();
        }
    }

    /// Waits for something, however long it takes.
    pub async fn during<T>(&mut self, waiting: impl Future<Output = T>) -> T {
        let mut waiting = pin!(waiting);
        let mut tick = interval_at(self.told + EVERY, EVERY);
        loop {
            tokio::select! {
                biased;
                done = &mut waiting => return done,
                _ = tick.tick() => self.tell(),
            }
        }
    }

    fn tell(&mut self) {
        self.told = Instant::now();
        let (bytes, seconds) = (size(self.bytes), self.begun.elapsed().as_secs());
        self.out.status(&format!("{}: {bytes} after {seconds} s …", self.what));
    }
}

/// Bytes as a person reads them.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut size, mut unit) = (bytes as f64 / 1000.0, 0);
    while size >= 999.95 && unit + 1 < UNITS.len() {
        (size, unit) = (size / 1000.0, unit + 1);
    }
    format!("{size:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes() {
        let sizes = [0, 999, 1000, 999_949, 999_950, 12_300_000, 5_000_000_000_000_000].map(size);
        assert_eq!(sizes, ["0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "12.3 MB", "5000.0 TB"]);
    }
}
