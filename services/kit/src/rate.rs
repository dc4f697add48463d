//! A rate limit per key, which forgets idle keys. Each process counts for itself.

use std::{
    fmt,
    hash::Hash,
    num::NonZeroU32,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock};
use kez_proto::{Code, Problem};

use crate::{limits::Bound, task};

/// The limit, or none. Where its bound changes, all begin anew.
pub struct Rate<K: Hash + Eq + Clone> {
    bound: Bound,
    quota: fn(NonZeroU32) -> Quota,
    /// For the bound as it was last.
    limiter: RwLock<(u32, Limiter<K>)>,
}

type Limiter<K> = Option<Arc<DefaultKeyedRateLimiter<K>>>;

impl<K: Hash + Eq + Clone + Send + Sync + 'static> Rate<K> {
    /// At most so many in a minute for each key, all at once or spread; 0 for no limit. Needs the runtime.
    pub fn per_minute(bound: impl Into<Bound>) -> Self {
        Self::start(bound.into(), Quota::per_minute)
    }

    /// The same in an hour.
    pub fn per_hour(bound: impl Into<Bound>) -> Self {
        Self::start(bound.into(), Quota::per_hour)
    }

    fn start(bound: Bound, quota: fn(NonZeroU32) -> Quota) -> Self {
        let count = bound.get();
        Self { bound, quota, limiter: RwLock::new((count, limiter(count, quota))) }
    }

    /// Counts one of this key's, or refuses it with `rate_limited`, these words and the time to wait.
    pub fn check(&self, key: &K, words: impl fmt::Display) -> Result<(), Problem> {
        let Some(limiter) = self.limiter() else { return Ok(()) };
        limiter.check_key(key).map_err(|until| {
            let wait = until.wait_time_from(limiter.clock().now());
            let mut problem = Problem::new(Code::RateLimited, words.to_string());
            problem.retry_after = Some(wait.as_secs() as u32 + 1);
            problem
        })
    }

    fn limiter(&self) -> Limiter<K> {
        let count = self.bound.get();
        {
            let known = self.limiter.read().unwrap_or_else(PoisonError::into_inner);
            if known.0 == count {
                return known.1.clone();
            }
        }
        let mut known = self.limiter.write().unwrap_or_else(PoisonError::into_inner);
        if known.0 != count {
            *known = (count, limiter(count, self.quota));
        }
        known.1.clone()
    }
}

/// It forgets idle keys.
fn limiter<K: Hash + Eq + Clone + Send + Sync + 'static>(
    count: u32,
    quota: fn(NonZeroU32) -> Quota,
) -> Limiter<K> {
    let limiter = Arc::new(RateLimiter::keyed(quota(NonZeroU32::new(count)?)));
    let weak = Arc::downgrade(&limiter);
    task::spawn("rate-forget", async move {
        loop {
            tokio::time::sleep(Duration::from_secs(60)).await;
            let Some(limiter) = weak.upgrade() else { return };
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    });
    Some(limiter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_key_has_its_own_count_and_zero_is_no_limit() {
        let rate = Rate::per_hour(2);
        let check = |key| rate.check(&key, "too many").map_err(|p| (p.code, p.retry_after.unwrap()));
        assert_eq!((check(1), check(1), check(2)), (Ok(()), Ok(()), Ok(())));
        let (code, wait) = check(1).unwrap_err();
        assert_eq!(code, Code::RateLimited);
        // One in half an hour comes free.
        assert!((1..=1801).contains(&wait), "{wait}");
        assert_eq!(check(2), Ok(()));
        let free = Rate::per_minute(0);
        assert!((0..1000).all(|_| free.check(&1, "too many").is_ok()));
    }
}
