//! What an auth callout counts.

use kez_tests::{Process, http};

/// Logins that it let in.
pub async fn accepted(callout: &Process) -> u64 {
    count(callout, "kez_nats_logins_accepted_total").await
}

/// Logins that it refused for this reason.
pub async fn denied(callout: &Process, reason: &str) -> u64 {
    count(callout, &format!("kez_nats_logins_denied_total{{reason=\"{reason}\"}}")).await
}

/// Login requests that came too late for an answer, by whatever it found that out.
pub async fn late(callout: &Process) -> u64 {
    let mut sum = 0;
    for reason in ["late", "time"] {
        sum += count(callout, &format!("kez_nats_login_requests_invalid_total{{reason=\"{reason}\"}}")).await;
    }
    sum
}

/// One of its counters; 0 if it hasn't counted yet.
async fn count(callout: &Process, name: &str) -> u64 {
    let text = http::get(format!("http://{}/metrics", callout.address("admin"))).await.text().await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    assert!(text.contains("kez_nats_logins_accepted_total"), "{text}");
    line.map_or(0, |value| value.parse().unwrap())
}
