//! Logins that nobody waits for any more: this process stalled, or more came than it can answer. A late yes would take a place that nobody comes for, and the
//! time of those who still wait.

use std::time::Duration;

use moka::sync::Cache;
use time::OffsetDateTime;

/// nats-server waits so long for the answer to a login.
pub const WAITED_FOR: Duration = kez_proto::limits::NATS_LOGIN_TIMEOUT;
/// A request says in which second it was made.
const RESOLUTION: Duration = Duration::from_secs(1);
/// How long the quickest request of a server is remembered. A clock that is set back makes all seem late for as long.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Servers that are remembered; another one at each start.
const CAPACITY: u64 = 1000;

/// The differences of the nats-servers' clocks to this one, as far as their requests show them: what looks old may come from a clock that is slow. The
/// quickest request was underway for no time at best, so that whatever is older than it by more than the wait is late for sure.
pub struct Clocks(Cache<String, i64>);

impl Clocks {
    pub fn new() -> Self {
        Self(Cache::builder().max_capacity(CAPACITY).time_to_live(REMEMBERED).build())
    }

    /// Whether nobody waits any more for the answer to a request that this server made in this second of its clock. Errs in the client's favour: where a
    /// server hasn't been heard of, and by up to a second.
    pub fn is_late(&self, server: &str, issued: i64, now: OffsetDateTime) -> bool {
        let now = now.unix_timestamp_nanos() / 1_000_000;
        let behind = i64::try_from(now).unwrap_or(i64::MAX).saturating_sub(issued.saturating_mul(1000));
        match self.0.get(server) {
            Some(quickest) if quickest <= behind => {
                behind.saturating_sub(quickest).unsigned_abs() > (WAITED_FOR + RESOLUTION).as_millis() as u64
            }
            _ => {
                self.0.insert(server.to_owned(), behind);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether those are late that were made and heard of at these milliseconds, by a server whose clock is so many milliseconds ahead.
    fn late(ahead: i64, requests: &[(i64, i64)]) -> Vec<bool> {
        let clocks = Clocks::new();
        let late = |(made, heard): &(i64, i64)| {
            let now = OffsetDateTime::from_unix_timestamp_nanos(i128::from(*heard) * 1_000_000).unwrap();
            clocks.is_late("N", (made + ahead).div_euclid(1000), now)
        };
        requests.iter().map(late).collect()
    }

    #[test]
    fn whoever_waits_isnt_late_and_whoever_is_gone_for_long_is_whatever_the_clocks_say() {
        for ahead in (-3000..=3000).step_by(250) {
            for first in (0..1000).step_by(125) {
                for second in (5000..6000).step_by(125) {
                    let waits = late(ahead, &[(first, first + 1), (second, second + 1800)]);
                    assert_eq!(waits, [false, false], "{ahead} {first} {second}");
                    let gone = late(ahead, &[(first, first + 1), (second, second + 3900)]);
                    assert_eq!(gone, [false, true], "{ahead} {first} {second}");
                }
            }
        }
    }

    #[test]
    fn a_quicker_one_sets_the_measure_and_an_unknown_server_has_none() {
        assert_eq!(
            late(0, &[(0, 10_000), (11_000, 21_000), (22_000, 22_001), (23_000, 33_000)]),
            [false, false, false, true]
        );
    }
}
