//! Readiness: the process takes work when every gate is open. A gate belongs to one dependency; liveness asks none of them.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::watch;

/// All gates of a process.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<watch::Sender<Gates>>);

/// The gates by name, each with the reason why it is closed, or open.
pub type Gates = BTreeMap<&'static str, Option<String>>;

/// One dependency's gate; closed until it is opened.
#[derive(Clone, Debug)]
pub struct Gate(&'static str, Readiness);

impl Default for Readiness {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Gates::new())))
    }
}

impl Readiness {
    /// Adds a closed gate.
    pub fn gate(&self, name: &'static str) -> Gate {
        let gate = Gate(name, self.clone());
        gate.close("starting");
        gate
    }

    /// The gates now.
    pub fn gates(&self) -> Gates {
        self.0.borrow().clone()
    }

    /// Whether every gate is open, and there is one.
    pub fn is_ready(&self) -> bool {
        open(&self.0.borrow())
    }

    /// Waits until all of these gates are there and open.
    pub async fn wait_for(&self, names: &[&str]) {
        let all = |gates: &Gates| names.iter().all(|name| gates.get(name) == Some(&None));
        let _ = self.0.subscribe().wait_for(all).await;
    }

    /// Waits until every gate is open.
    pub async fn wait(&self) {
        // The sender lives in self, so that waiting can't fail.
        let _ = self.0.subscribe().wait_for(open).await;
    }
}

fn open(gates: &Gates) -> bool {
    !gates.is_empty() && gates.values().all(Option::is_none)
}

impl Gate {
    /// The dependency is there.
    pub fn open(&self) {
        self.set(None);
    }

    /// The dependency is away, because of this.
    pub fn close(&self, reason: impl Into<String>) {
        self.set(Some(reason.into()));
    }

    fn set(&self, state: Option<String>) {
        self.1.0.send_if_modified(|gates| {
            let changed = gates.get(self.0) != Some(&state);
            if changed {
                match &state {
                    None => tracing::info!(gate = self.0, "ready"),
                    Some(reason) if gates.contains_key(self.0) => {
                        tracing::info!(gate = self.0, %reason, "not ready")
                    }
                    Some(_) => {}
                }
                gates.insert(self.0, state);
            }
            changed
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ready_means_every_gate() {
        let ready = Readiness::default();
        let (a, b) = (ready.gate("a"), ready.gate("b"));
        assert!(!ready.is_ready());
        a.open();
        assert_eq!(ready.gates(), Gates::from([("a", None), ("b", Some("starting".into()))]));
        b.open();
        ready.wait().await;
        a.close("gone");
        assert!(!ready.is_ready());
    }
}
