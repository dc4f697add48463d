//! A limit per key that all instances count together: counters of JetStream (NATS ADR-49), of which an instance takes some ahead.
//!
//! A span has windows, one behind the other; what counts is this window's number, and of the one before as much as a span that ends now still covers. A key
//! is counted by its hash alone, in memory, and forgotten after two spans.

use std::{
    fmt::Display,
    hash::Hash,
    sync::{Arc, Mutex as Lock, PoisonError, RwLock},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use async_nats::HeaderMap;
use bytes::Bytes;
use data_encoding::HEXLOWER;
use kez_proto::{
    Code, Problem,
    headers::NATS_INCR,
    subjects::{COUNTS, Span},
};
use moka::sync::Cache;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::{Nats, limits::Bound, rate::Rate, trace::Subject};

/// What an instance takes ahead is this part of the limit, and at least one. What several instances have taken and don't use is missing to the others.
const AHEAD: u32 = 20;
/// A counter that takes longer isn't waited for.
const DEADLINE: Duration = Duration::from_millis(250);
/// After a failure each instance counts alone for so long.
const ALONE: Duration = Duration::from_secs(1);
/// Keys whose place is remembered; whoever is forgotten is asked for again.
const CAPACITY: u64 = 100_000;

/// The limit, or none. Where its bound changes, what NATS has counted stays counted.
pub struct Quota<K: Hash + Eq + Clone> {
    what: &'static str,
    span: Span,
    bound: Bound,
    nats: Nats,
    /// This instance's own count, which holds while there is no other.
    own: Rate<K>,
    /// For the bound as it was last.
    counted: RwLock<Arc<Counted<K>>>,
}

struct Counted<K: Hash + Eq + Clone> {
    what: &'static str,
    span: Span,
    limit: u32,
    ahead: u32,
    nats: Nats,
    places: Cache<K, Arc<Mutex<Place>>>,
    alone_until: Lock<Option<Instant>>,
}

/// What this instance knows of a key in a window.
#[derive(Default)]
struct Place {
    window: u64,
    /// How many the window before has.
    before: u32,
    /// Taken ahead, and not yet used.
    left: u32,
    /// There is nothing to take until then, in seconds since the Unix epoch.
    full_until: f64,
}

#[derive(Deserialize)]
struct Counter {
    val: String,
}

impl<K: Hash + Eq + Clone + Display + Send + Sync + 'static> Quota<K> {
    /// At most so many of `what`, a word without dots, in a span for each key, over all instances; 0 for no limit. Needs the runtime.
    pub fn new(what: &'static str, span: Span, bound: impl Into<Bound>, nats: &Nats) -> Self {
        let bound = bound.into();
        let own = match span {
            Span::Minute => Rate::per_minute(bound.clone()),
            Span::Hour => Rate::per_hour(bound.clone()),
        };
        let counted = RwLock::new(Arc::new(Counted::new(what, span, bound.get(), nats)));
        Self { what, span, bound, nats: nats.clone(), own, counted }
    }

    /// Counts one of this key's, or refuses it with `rate_limited`, these words and the time to wait. Where NATS doesn't count, this instance does.
    pub async fn check(&self, key: &K, words: impl Display) -> Result<(), Problem> {
        let counted = self.counted();
        if counted.limit == 0 {
            return Ok(());
        }
        self.own.check(key, &words)?;
        match counted.take(key).await {
            Ok(None) => Ok(()),
            Ok(Some(wait)) => {
                let mut problem = Problem::new(Code::RateLimited, words.to_string());
                problem.retry_after = Some(wait.ceil().max(1.0) as u32);
                Err(problem)
            }
            Err(why) => {
                tracing::debug!(why, what = self.what, "each instance counts alone for a moment");
                Ok(())
            }
        }
    }

    fn counted(&self) -> Arc<Counted<K>> {
        let limit = self.bound.get();
        {
            let known = self.counted.read().unwrap_or_else(PoisonError::into_inner);
            if known.limit == limit {
                return known.clone();
            }
        }
        let mut known = self.counted.write().unwrap_or_else(PoisonError::into_inner);
        if known.limit != limit {
            *known = Arc::new(Counted::new(self.what, self.span, limit, &self.nats));
        }
        known.clone()
    }
}

impl<K: Hash + Eq + Clone + Display + Send + Sync + 'static> Counted<K> {
    fn new(what: &'static str, span: Span, limit: u32, nats: &Nats) -> Self {
        let places =
            Cache::builder().max_capacity(CAPACITY).time_to_idle(2 * seconds(span.seconds())).build();
        let ahead = (limit / AHEAD).max(1);
        Self { what, span, limit, ahead, nats: nats.clone(), places, alone_until: Lock::default() }
    }

    fn is_alone(&self) -> bool {
        let until = *self.alone_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Takes one, or says how many seconds to wait for it.
    async fn take(&self, key: &K) -> Result<Option<f64>, String> {
        let place = self.places.get_with(key.clone(), Arc::default);
        // Whoever comes at the same time waits for what is taken now.
        let mut place = place.lock().await;
        // Of many who waited for a counter that doesn't answer, one has found that out for all.
        if self.is_alone() {
            return Ok(None);
        }
        let now = now();
        let span = f64::from(self.span.seconds());
        let window = (now / span) as u64;
        if place.window != window {
            let before = self.count(key, window - 1, 0).await?;
            *place = Place { window, before, ..Place::default() };
        }
        if place.left > 0 {
            place.left -= 1;
            return Ok(None);
        }
        if now < place.full_until {
            return Ok(Some(place.full_until - now));
        }
        let passed = now / span - window as f64;
        let all = self.count(key, window, i64::from(self.ahead)).await?;
        let used = all.saturating_sub(self.ahead);
        let taken = room(self.limit, place.before, used, passed).min(self.ahead);
        if taken < self.ahead {
            self.count(key, window, i64::from(taken) - i64::from(self.ahead)).await?;
        }
        if taken == 0 {
            let wait = until_room(self.limit, place.before, used, passed) * span;
            place.full_until = now + wait;
            return Ok(Some(wait));
        }
        place.left = taken - 1;
        Ok(None)
    }

    /// So many more, and how many there are then. A failure is remembered.
    async fn count(&self, key: &K, window: u64, more: i64) -> Result<u32, String> {
        let counted = self.ask(key, window, more).await;
        if counted.is_err() {
            let mut until = self.alone_until.lock().unwrap_or_else(PoisonError::into_inner);
            *until = Some(Instant::now() + ALONE);
        }
        counted
    }

    async fn ask(&self, key: &K, window: u64, more: i64) -> Result<u32, String> {
        let key = HEXLOWER.encode(&Sha256::digest(key.to_string())[..16]);
        let mut headers = HeaderMap::new();
        headers.insert(NATS_INCR, format!("{more:+}"));
        let subject = Subject::named(COUNTS, self.span.count(self.what, window, &key));
        let answer = self.nats.request_storing(subject, headers, Bytes::new(), DEADLINE);
        let answer = answer.await.map_err(|e| e.to_string())?;
        let counter: Counter = serde_json::from_slice(&answer.payload)
            .map_err(|_| String::from_utf8_lossy(&answer.payload).into_owned())?;
        let value: i64 = counter.val.parse().map_err(|_| counter.val)?;
        Ok(u32::try_from(value.max(0)).unwrap_or(u32::MAX))
    }
}

/// How many more there may be, where the window before has so many, this one so many, and this part of it has passed.
fn room(limit: u32, before: u32, used: u32, passed: f64) -> u32 {
    let covered = f64::from(before.min(limit)) * (1.0 - passed);
    (f64::from(limit) - f64::from(used) - covered).max(0.0).floor() as u32
}

/// In how many spans there will be room for one.
fn until_room(limit: u32, before: u32, used: u32, passed: f64) -> f64 {
    let (limit, before, used) = (f64::from(limit), f64::from(before.min(limit)), f64::from(used));
    if used + 1.0 <= limit {
        // As soon as so much of the window before is no longer covered.
        return 1.0 - (limit - used - 1.0) / before - passed;
    }
    let used = used.min(limit);
    (1.0 - passed) + (1.0 - (limit - 1.0) / used)
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_slides_over_its_windows() {
        assert_eq!(room(30, 0, 0, 0.5), 30);
        assert_eq!(room(30, 0, 29, 0.5), 1);
        assert_eq!(room(30, 0, 31, 0.5), 0);
        // Of the window before, half is covered still.
        assert_eq!(room(30, 30, 0, 0.5), 15);
        assert_eq!(room(30, 30, 15, 0.5), 0);
        assert_eq!(room(30, 30, 0, 0.0), 0);
    }

    #[test]
    fn whoever_waits_as_long_as_told_finds_room() {
        for limit in [1, 2, 30, 240] {
            for before in [0, 1, limit / 2, limit, limit * 3] {
                for used in [0, limit / 2, limit, limit * 2] {
                    for passed in [0.0, 0.3, 0.9] {
                        if room(limit, before, used, passed) > 0 {
                            continue;
                        }
                        let wait = until_room(limit, before, used, passed) + 1e-9;
                        assert!(wait > 0.0 && wait < 2.001, "{limit} {before} {used} {passed}: {wait}");
                        let then = passed + wait;
                        let found = match then < 1.0 {
                            true => room(limit, before, used, then),
                            false => room(limit, used, 0, then - 1.0),
                        };
                        assert!(found > 0, "{limit} {before} {used} {passed}: {wait}");
                    }
                }
            }
        }
    }
}
