//! When to try again. Only for requests that are safe to repeat byte for byte.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};

use crate::Error;

/// A person waits: a server that asks for more than this is answered by giving up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tries up to four times within some seconds as long as the error is transient, waiting at least as long as the server asked for.
/// `again` hears of each failure that is followed by another try.
pub async fn a_few_times<T, F: Future<Output = Result<T, Error>>>(
    request: impl FnMut() -> F,
    mut again: impl FnMut(&Error, Duration),
) -> Result<T, Error> {
    let backoff =
        ExponentialBuilder::new().with_min_delay(Duration::from_millis(500)).with_max_times(3).with_jitter();
    request
        .retry(backoff)
        .when(Error::is_transient)
        .adjust(|error, delay| {
            let asked = error.retry_after().unwrap_or_default();
            delay.filter(|_| asked <= PATIENCE).map(|delay| delay + asked)
        })
        .notify(|error, delay| again(error, delay))
        .await
}

/// Tries for as long as the error is transient, with the delays of a stream. `again` hears of each failure that is followed by another try.
pub async fn until_answered<T, F: Future<Output = Result<T, Error>>>(
    mut request: impl FnMut() -> F,
    mut again: impl FnMut(&Error, Duration),
) -> Result<T, Error> {
    let mut delays = Reconnect::new();
    loop {
        match request().await {
            Err(error) if error.is_transient() => {
                let delay = delays.next(error.retry_after());
                again(&error, delay);
                tokio::time::sleep(delay).await;
            }
            outcome => return outcome,
        }
    }
}

/// Delays between the connections of a stream: at least `floor`, then twice as long each time up to half a minute, each with a random part, so that readers
/// that were dropped together don't come back together. Never ends.
pub(crate) struct Reconnect {
    floor: Duration,
    spread: f64,
    failures: u32,
}

impl Reconnect {
    const FLOOR: Duration = Duration::from_millis(500);
    const CEILING: Duration = Duration::from_secs(30);
    /// A server can't silence a reader for longer than this.
    const LONGEST: Duration = Duration::from_secs(120);

    /// The random part is up to as long as the rest: the server says how long that is.
    pub(crate) fn new() -> Self {
        Self::spread(1.0)
    }

    /// The random part is up to so many times as long as the rest, and half a minute at most.
    pub(crate) fn spread(spread: f64) -> Self {
        Self { floor: Self::FLOOR, spread, failures: 0 }
    }

    /// The server's `retry:` is the least delay from now on.
    pub(crate) fn set_floor(&mut self, floor: Duration) {
        let floor = floor.clamp(Self::FLOOR, Self::LONGEST);
        if floor != self.floor {
            self.floor = floor;
            self.reset();
        }
    }

    /// The last connection was a good one: begin with short delays again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The next delay, on top of what the server asked for.
    pub(crate) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let asked = asked.unwrap_or_default().min(Self::LONGEST);
        let ceiling = Self::CEILING.max(self.floor);
        let least = self.floor.saturating_mul(1 << self.failures.min(16)).min(ceiling);
        self.failures = self.failures.saturating_add(1);
        least + least.mul_f64(self.spread).min(ceiling).mul_f64(fastrand::f64()) + asked
    }
}

#[cfg(test)]
mod tests {
    use kez_proto::{Code, Problem};

    use super::*;

    #[test]
    fn delays_grow_have_a_floor_and_an_end() {
        let mut reconnect = Reconnect::new();
        for _ in 0..50 {
            let delay = reconnect.next(None);
            assert!(delay >= Reconnect::FLOOR && delay <= 2 * Reconnect::CEILING, "{delay:?}");
        }
        assert!(reconnect.next(None) >= Reconnect::CEILING);
        reconnect.reset();
        assert!(reconnect.next(None) <= 2 * Reconnect::FLOOR);
        reconnect.set_floor(Duration::from_secs(3));
        let first = reconnect.next(None);
        assert!((3..=6).contains(&first.as_secs()), "{first:?}");
        assert!(
            reconnect.next(Some(Duration::from_secs(1_000_000)))
                <= Reconnect::LONGEST + 2 * Reconnect::CEILING
        );
    }

    #[test]
    fn a_wide_spread_grows_with_the_delays_and_ends_with_them() {
        let mut longest = Duration::ZERO;
        for _ in 0..200 {
            let mut reconnect = Reconnect::spread(4.0);
            let first = reconnect.next(None);
            assert!(first >= Reconnect::FLOOR && first <= 5 * Reconnect::FLOOR, "{first:?}");
            let second = reconnect.next(None);
            assert!(second >= 2 * Reconnect::FLOOR && second <= 10 * Reconnect::FLOOR, "{second:?}");
            for _ in 0..20 {
                assert!(reconnect.next(None) <= 2 * Reconnect::CEILING);
            }
            longest = longest.max(first);
        }
        assert!(longest > 3 * Reconnect::FLOOR, "two hundred come back within {longest:?}");
    }

    #[tokio::test]
    async fn what_a_person_cannot_wait_for_is_not_tried_again() {
        let attempts = async |problem: Problem| {
            let mut attempts = 0;
            let request = || {
                attempts += 1;
                std::future::ready(Err::<(), _>(Error::from(problem.clone())))
            };
            assert!(a_few_times(request, |_, _| {}).await.is_err());
            attempts
        };
        assert_eq!(attempts(Code::UnknownHandle.into()).await, 1);
        assert_eq!(
            attempts(Code::InboxFull.into()).await,
            1,
            "a minute's wait isn't for a person at a prompt"
        );
    }
}
