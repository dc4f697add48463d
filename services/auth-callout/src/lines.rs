//! How many lines the audit log may have: whoever knocks as fast as the wire allows fills no disk with it. The counters count all the same.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kez_kit::{rate::Rate, task};

/// Lines a minute of each kind; all at once, or two a second when it goes on.
const A_MINUTE: u32 = 120;
/// How often it is told what was left out.
const TOLD: Duration = Duration::from_secs(10);

/// What happened, and why.
type Line = (&'static str, &'static str);

/// The limit, and what was left out. Cheap to clone.
#[derive(Clone)]
pub struct Lines(Arc<Inner>);

struct Inner {
    rate: Rate<Line>,
    left_out: Mutex<BTreeMap<Line, u64>>,
}

impl Lines {
    /// Tells every ten seconds what was left out, until the last copy is dropped. Needs the runtime.
    pub fn start() -> Self {
        let rate = Rate::per_minute(A_MINUTE);
        let lines = Self(Arc::new(Inner { rate, left_out: Mutex::default() }));
        let weak = Arc::downgrade(&lines.0);
        task::spawn("audit-lines", async move {
            loop {
                tokio::time::sleep(TOLD).await;
                let Some(lines) = weak.upgrade() else { return };
                Lines(lines).tell_left_out();
            }
        });
        lines
    }

    /// Whether a line about this may be written; if not, it is counted.
    pub fn may_tell(&self, event: &'static str, reason: &'static str) -> bool {
        let line = (event, reason);
        let may = self.0.rate.check(&line, "").is_ok();
        if !may {
            *self.left_out().entry(line).or_default() += 1;
        }
        may
    }

    /// A line for each kind of which some were left out.
    pub fn tell_left_out(&self) {
        for ((event, reason), lines) in std::mem::take(&mut *self.left_out()) {
            tracing::info!(target: "audit", event, reason, lines, "left out, being too many");
        }
    }

    fn left_out(&self) -> std::sync::MutexGuard<'_, BTreeMap<Line, u64>> {
        self.0.left_out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_kind_has_its_own_lines_and_what_is_left_out_is_counted_once() {
        let lines = Lines::start();
        let told = |reason| (0..1000).filter(|_| lines.may_tell("refused", reason)).count() as u64;
        let counts = [told("no_key"), told("password")];
        // A few come free while this runs.
        assert!(counts.iter().all(|told| (120..200).contains(told)), "{counts:?}");
        assert!(lines.may_tell("kicked", "no_key"), "quiet ones lose nothing");
        let left_out: Vec<u64> = lines.left_out().values().copied().collect();
        assert_eq!(left_out, counts.map(|told| 1000 - told));
        lines.tell_left_out();
        assert!(lines.left_out().is_empty());
    }
}
