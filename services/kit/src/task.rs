//! The one way to start a task.

use std::{future::Future, panic::AssertUnwindSafe};

use futures_util::FutureExt;
use tokio::task::JoinHandle;

/// Starts a task whose panic is logged under its name and ends the task alone. A task whose end must end the process is awaited by its
/// owner instead.
#[allow(clippy::disallowed_methods, reason = "this is the one place")]
pub fn spawn<T: Send + 'static>(
    name: &'static str,
    task: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<Option<T>> {
    tokio::spawn(async move {
        let outcome = AssertUnwindSafe(task).catch_unwind().await;
        if outcome.is_err() {
            tracing::error!(task = name, "a task panicked");
        }
        outcome.ok()
    })
}
