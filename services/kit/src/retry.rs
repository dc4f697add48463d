//! Trying again what another process must be there for.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use crate::{Failure, Kind, Life};

/// Why an attempt didn't succeed.
#[derive(Debug)]
pub enum Attempt {
    /// It may the next time, because this may pass.
    Again(String),
    /// It never will.
    Fail(Failure),
}

/// What passes sooner isn't told.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a reason that stays the same is told again.
const REMIND: Duration = Duration::from_secs(10);

/// Makes attempts, 50 ms to 1 s apart, until one succeeds or fails for good, or the process stops.
pub async fn until_done<T, F>(life: &Life, what: &str, mut attempt: impl FnMut() -> F) -> Result<T, Failure>
where
    // Not `AsyncFnMut`: with it, a future that waits here can't be proven `Send`, and no task could run it.
    F: Future<Output = Result<T, Attempt>>,
{
    let mut pause = Duration::from_millis(50);
    let begun = Instant::now();
    let mut told: Option<(String, Instant)> = None;
    loop {
        let why = match attempt().await {
            Ok(done) => return Ok(done),
            Err(Attempt::Fail(failure)) => return Err(failure),
            Err(Attempt::Again(why)) => why,
        };
        let news = told.as_ref().is_none_or(|(last, at)| *last != why || at.elapsed() > REMIND);
        if news && begun.elapsed() > PATIENCE {
            tracing::info!("{what}: {why}; trying again");
            told = Some((why, Instant::now()));
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(1)),
            () = life.shutdown.cancelled() => return Err(Failure::new(Kind::Stopped, format!("stopped before {what}"))),
        }
    }
}
