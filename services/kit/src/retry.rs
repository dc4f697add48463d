//! Trying again what another process must be there for.

use std::{future::Future, time::Duration};

use crate::{Failure, Kind, Life};

/// Why an attempt didn't succeed.
#[derive(Debug)]
pub enum Attempt {
    /// It may the next time, because this may pass.
    Again(String),
    /// It never will.
    Fail(Failure),
}

/// Makes attempts, 50 ms to 1 s apart, until one succeeds or fails for good, or the process stops.
pub async fn until_done<T, F>(life: &Life, what: &str, mut attempt: impl FnMut() -> F) -> Result<T, Failure>
where
    // Not `AsyncFnMut`: with it, a future that waits here can't be proven `Send`, and no task could run it.
    F: Future<Output = Result<T, Attempt>>,
{
    let mut pause = Duration::from_millis(50);
    let mut told = String::new();
    loop {
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(Attempt::Fail(failure)) => return Err(failure),
            Err(Attempt::Again(why)) if why != told => {
                tracing::info!(what, why, "not yet; trying again");
                told = why;
            }
            Err(Attempt::Again(_)) => {}
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(1)),
            () = life.shutdown.cancelled() => return Err(Failure::new(Kind::Stopped, format!("stopped before {what}"))),
        }
    }
}
