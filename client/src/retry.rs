//! When to try again. Only for requests that are safe to repeat byte for byte.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder, Retryable};

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

/// Delays between the connections of a stream: doubling from `floor` to about half a minute, each with a random part, so that
/// readers that were dropped together don't come back together. Never ends.
pub(crate) struct Reconnect {
    floor: Duration,
    delays: <ExponentialBuilder as BackoffBuilder>::Backoff,
}

impl Reconnect {
    const FLOOR: Duration = Duration::from_millis(500);
    const CEILING: Duration = Duration::from_secs(30);
    /// A server can't silence a reader for longer than this.
    const LONGEST: Duration = Duration::from_secs(120);

    pub(crate) fn new() -> Self {
        Self { floor: Self::FLOOR, delays: Self::from(Self::FLOOR) }
    }

    fn from(floor: Duration) -> <ExponentialBuilder as BackoffBuilder>::Backoff {
        let builder =
            ExponentialBuilder::new().with_min_delay(floor).with_max_delay(Self::CEILING.max(floor));
        builder.without_max_times().with_jitter().build()
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
        self.delays = Self::from(self.floor);
    }

    /// The next delay, on top of what the server asked for.
    pub(crate) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let asked = asked.unwrap_or_default().min(Self::LONGEST);
        self.delays.next().unwrap_or(Self::CEILING) + asked
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
