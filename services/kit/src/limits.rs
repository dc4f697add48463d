//! Limits in force: what the operator has ordered stands above what a service was started with.

use std::{collections::HashMap, future::pending, time::Duration};

use async_nats::Subscriber;
use bytes::Bytes;
use futures_util::StreamExt;
use kez_proto::{
    limits::SERVICE_DEADLINE,
    limits_order::{InForce, Limit, Limits},
    registry::Entry,
    subjects,
};
use tokio::{sync::watch, time::sleep};

use crate::{Failure, Nats, nats::Unanswered, task};

/// Word of an order may be lost: so often a registry is asked all the same.
const EVERY: Duration = Duration::from_secs(60);
/// The same while none answers.
const AGAIN: Duration = Duration::from_secs(1);

const OLD_CONFIGURATION: &str = "nats-server's configuration is older than this version, and lets it ask for no limits: those of its flags hold. Run kez nats init and have nats-servers read what it writes";

/// What the operator has ordered. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ordered(watch::Receiver<Limits>);

impl Ordered {
    /// Follows `kez.registry.changed`: whenever an order about limits is logged, a registry is asked what holds now. Until one has answered, and while none does,
    /// what is known holds.
    pub async fn follow(nats: &Nats) -> Result<Self, Failure> {
        let changes = nats.client.subscribe(subjects::REGISTRY_CHANGED).await;
        let mut changes = changes.map_err(Failure::internal)?;
        let (sender, ordered) = watch::channel(Limits::new());
        let (nats, mut connections) = (nats.clone(), nats.connections());
        task::spawn("limits", async move {
            let mut forbidden = None;
            loop {
                let mut error = nats.error.clone();
                error.mark_unchanged();
                let pause = match ask(&nats).await {
                    Ok(limits) => {
                        sender.send_if_modified(|known| {
                            let other = *known != limits;
                            if other {
                                tracing::info!(?limits, "the limits that the operator orders");
                                *known = limits;
                            }
                            other
                        });
                        forbidden = None;
                        EVERY
                    }
                    Err(_) if forbids(&error) => {
                        if forbidden.is_none() {
                            tracing::warn!("{OLD_CONFIGURATION}");
                        }
                        let pause = forbidden.map_or(AGAIN, |pause: Duration| (pause * 2).min(EVERY));
                        forbidden = Some(pause);
                        pause
                    }
                    Err(why) => {
                        tracing::debug!(%why, "no registry tells the limits");
                        AGAIN
                    }
                };
                tokio::select! {
                    () = sleep(pause) => {}
                    () = ordered_anew(&mut changes) => {}
                    // What was ordered while NATS was away was told to nobody.
                    changed = connections.changed() => if changed.is_err() { return },
                    () = sender.closed() => return,
                }
            }
        });
        Ok(Self(ordered))
    }

    /// A limit for which a service was started with this flag.
    pub fn or(&self, limit: Limit, flag: u32) -> Bound {
        Bound::Ordered { ordered: self.clone(), limit, flag }
    }
}

/// What is ordered, as far as this version knows the names.
async fn ask(nats: &Nats) -> Result<Limits, Unanswered> {
    let answer = nats.request(subjects::REGISTRY_LIMITS, Bytes::new(), SERVICE_DEADLINE).await?;
    let in_force: InForce =
        serde_json::from_slice(&answer.payload).map_err(|e| Unanswered::Away(e.to_string()))?;
    Ok(in_force.known())
}

/// Whether nats-server said meanwhile that it doesn't take the question from us.
fn forbids(error: &watch::Receiver<String>) -> bool {
    let forbidden = format!("Permissions Violation for Publish to \"{}\"", subjects::REGISTRY_LIMITS);
    error.has_changed().unwrap_or(false) && error.borrow().contains(&forbidden)
}

async fn ordered_anew(changes: &mut Subscriber) {
    while let Some(change) = changes.next().await {
        if matches!(serde_json::from_slice(&change.payload), Ok(Entry::Limits { .. })) {
            return;
        }
    }
    pending().await
}

/// How much is allowed. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Bound {
    /// Always this.
    Fixed(u32),
    /// This, unless the operator has ordered otherwise.
    Ordered {
        /// What is ordered.
        ordered: Ordered,
        /// Which limit it is.
        limit: Limit,
        /// What the service was started with.
        flag: u32,
    },
}

impl Bound {
    /// What is in force now; 0 is no limit.
    pub fn get(&self) -> u32 {
        match self {
            Self::Fixed(count) => *count,
            Self::Ordered { ordered, limit, flag } => *ordered.0.borrow().get(limit).unwrap_or(flag),
        }
    }
}

impl From<u32> for Bound {
    fn from(count: u32) -> Self {
        Self::Fixed(count)
    }
}

/// What a service tells (in its `metadata`) of the limits that it was started with.
pub fn metadata(flags: impl IntoIterator<Item = (Limit, u32)>) -> HashMap<String, String> {
    flags.into_iter().map(|(limit, flag)| (format!("limit-{limit}"), flag.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::Rate;

    #[tokio::test]
    async fn an_order_stands_above_the_flag_until_it_is_gone() {
        let (sender, ordered) = watch::channel(Limits::new());
        let ordered = Ordered(ordered);
        let (sends, streams) = (ordered.or(Limit::Sends, 2), ordered.or(Limit::Streams, 7));
        let rate = Rate::per_hour(sends.clone());
        let taken = || (0..100).filter(|_| rate.check(&1, "too many").is_ok()).count();
        assert_eq!((sends.get(), streams.get(), taken(), taken()), (2, 7, 2, 0));
        sender.send_replace(Limits::from([(Limit::Sends, 5)]));
        assert_eq!((sends.get(), streams.get(), taken()), (5, 7, 5));
        sender.send_replace(Limits::from([(Limit::Sends, 0)]));
        assert_eq!((sends.get(), taken()), (0, 100));
        sender.send_replace(Limits::new());
        assert_eq!((sends.get(), taken()), (2, 2));
        // Who ordered is gone, and what was ordered last holds.
        drop(sender);
        assert_eq!(sends.get(), 2);
    }
}
