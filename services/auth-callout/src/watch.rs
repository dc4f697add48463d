//! The instances watch each other. A process that hangs keeps its place in the queue of login requests, and nats-server gives it its share of them until its
//! connection is gone: whoever pulses no more is disconnected by the others. One that wakes up connects again by itself.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use kez_kit::{Failure, Nats, ready::Gate, task};
use kez_proto::subjects;
use serde::{Deserialize, Serialize};
use tokio::{sync::Notify, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{audit::Audit, live::Place, system, system::System};

/// Between two pulses.
const PULSE: Duration = Duration::from_secs(1);
/// An instance that is silent for longer hangs.
const SILENT: Duration = Duration::from_secs(3);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// What an instance says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Pulse {
    /// Another one at each start.
    instance: String,
    /// Where its connections are: those that have a place in a queue.
    connections: Vec<Connected>,
    /// It has left its queues, and this is its last word.
    #[serde(default)]
    last: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Connected {
    server: String,
    client: u64,
}

/// What it works with.
pub struct Watch {
    pub auth: Nats,
    pub kez: Nats,
    pub system: System,
    pub audit: Audit,
    /// Open as long as the own pulses come back, which also shows that what was subscribed on the connection before is known to nats-server.
    pub gate: Gate,
    /// Told when another instance's connection has ended without its goodbye: what it was given may have no answer.
    pub lost: Arc<Notify>,
    /// The process takes no more work.
    pub leaving: CancellationToken,
}

impl Watch {
    /// Watches until `stop`; then it says its last word, and the task ends.
    pub async fn start(self, stop: CancellationToken) -> Result<JoinHandle<Option<()>>, Failure> {
        let mut pulses =
            self.auth.client.subscribe(subjects::CALLOUT_PULSE).await.map_err(Failure::internal)?;
        let mut ends = self
            .system
            .nats
            .client
            .subscribe(subjects::AUTH_DISCONNECTED)
            .await
            .map_err(Failure::internal)?;
        let mut peers = Peers::new(format!("{:016x}", fastrand::u64(..)));
        Ok(task::spawn("watch", async move {
            let mut pulse = tokio::time::interval(PULSE);
            pulse.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut look = tokio::time::interval(LOOK);
            look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    // What has come is heard before anybody is judged.
                    biased;
                    () = stop.cancelled() => return self.pulse(&peers.own, true).await,
                    Some(message) = pulses.next() => {
                        match serde_json::from_slice(&message.payload) {
                            Ok(pulse) => {
                                // Whoever is new is told at once who is there: it may have to take over before the next pulse.
                                if peers.heard(pulse, Instant::now()) {
                                    self.pulse(&peers.own, false).await;
                                }
                            }
                            Err(error) => tracing::debug!(%error, "a pulse that can't be read"),
                        }
                    }
                    Some(message) = ends.next() => {
                        if let Some(place) = system::ended(&message).filter(|place| peers.has(place)) {
                            tracing::info!(%place, "a connection of another auth callout ended: its logins are taken over");
                            self.lost.notify_one();
                        }
                    }
                    _ = pulse.tick() => self.pulse(&peers.own, false).await,
                    _ = look.tick() => {
                        for (instance, places) in peers.silent(Instant::now()) {
                            self.disconnect(instance, places);
                            self.lost.notify_one();
                        }
                    }
                }
                self.tell(&peers);
            }
        }))
    }

    fn tell(&self, peers: &Peers) {
        if self.leaving.is_cancelled() {
            self.gate.close("stopping");
        } else if peers.is_well(Instant::now()) {
            self.gate.open();
        } else if peers.own_heard.is_some() {
            self.gate.close("no answer from NATS in the account AUTH");
        }
    }

    async fn pulse(&self, own: &str, last: bool) {
        // The library would keep it for later.
        if !self.auth.is_connected() {
            return;
        }
        let connections = [&self.auth, &self.kez].map(|nats| {
            let info = nats.client.server_info();
            Connected { server: info.server_id, client: info.client_id }
        });
        let pulse = Pulse { instance: own.to_owned(), connections: connections.into(), last };
        let Ok(body) = serde_json::to_vec(&pulse) else { return };
        if let Err(error) = self.auth.client.publish(subjects::CALLOUT_PULSE, body.into()).await {
            tracing::debug!(%error, "a pulse wasn't sent");
        }
        if last {
            let _ = self.auth.client.flush().await;
        }
    }

    /// In a task of its own: whoever waits here doesn't pulse.
    fn disconnect(&self, instance: String, places: Vec<Place>) {
        tracing::warn!(instance, "another auth callout hangs: it is disconnected");
        let (system, audit) = (self.system.clone(), self.audit.clone());
        task::spawn("disconnect", async move {
            for place in places {
                match system.kick(&place).await {
                    Ok(()) => audit.disconnected(&place),
                    Err(why) => tracing::warn!(why, %place, "a connection couldn't be ended"),
                }
            }
        });
    }
}

/// Who was heard when.
struct Peers {
    own: String,
    own_heard: Option<Instant>,
    well_since: Instant,
    others: HashMap<String, Other>,
}

struct Other {
    heard: Instant,
    places: Vec<Place>,
}

impl Peers {
    fn new(own: String) -> Self {
        Self { own, own_heard: None, well_since: Instant::now(), others: HashMap::new() }
    }

    /// Whether it is another instance that wasn't known.
    fn heard(&mut self, pulse: Pulse, now: Instant) -> bool {
        if pulse.instance == self.own {
            if !self.is_well(now) {
                self.well_since = now;
            }
            self.own_heard = Some(now);
            false
        } else if pulse.last {
            self.others.remove(&pulse.instance);
            false
        } else {
            let places = pulse.connections.iter().map(|c| Place::new(&c.server, c.client)).collect();
            let known = self.others.insert(pulse.instance.clone(), Other { heard: now, places });
            if known.is_none() {
                tracing::info!(instance = pulse.instance, "another auth callout is there");
            }
            known.is_none()
        }
    }

    /// Whether the own pulses come back. If they don't, the others' silence says nothing about them.
    fn is_well(&self, now: Instant) -> bool {
        self.own_heard.is_some_and(|heard| now.saturating_duration_since(heard) < 2 * PULSE)
    }

    /// Whether another instance is there, as far as is known, that has said goodbye to nobody.
    fn has(&self, place: &Place) -> bool {
        self.others.values().any(|other| other.places.contains(place))
    }

    /// Those that were silent for too long while this instance was well, each once.
    fn silent(&mut self, now: Instant) -> Vec<(String, Vec<Place>)> {
        if !self.is_well(now) {
            return Vec::new();
        }
        let since = self.well_since;
        let silent = |other: &Other| now.saturating_duration_since(other.heard.max(since)) > SILENT;
        let names = self.others.iter().filter(|(_, other)| silent(other)).map(|(name, _)| name.clone());
        let names: Vec<String> = names.collect();
        let gone = names.into_iter().filter_map(|name| self.others.remove_entry(&name));
        gone.map(|(name, other)| (name, other.places)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulse(instance: &str) -> Pulse {
        let connections = vec![Connected { server: "N1".into(), client: 7 }];
        Pulse { instance: instance.into(), connections, last: false }
    }

    /// Peers that hear these instances every second, from and until these seconds; then who is silent at the end.
    fn silent(heard: &[(&str, u64, u64)], end: u64) -> Vec<String> {
        let begun = Instant::now();
        let mut peers = Peers::new("own".into());
        for second in 0..=end {
            let now = begun + Duration::from_secs(second);
            for (name, from, until) in heard {
                if (*from..=*until).contains(&second) {
                    peers.heard(pulse(name), now);
                }
            }
        }
        let silent = peers.silent(begun + Duration::from_secs(end));
        assert!(silent.iter().all(|(_, places)| *places == [Place::new("N1", 7)]));
        silent.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn whoever_is_silent_is_named_by_those_that_are_well() {
        assert_eq!(silent(&[("own", 0, 20), ("a", 0, 16), ("b", 0, 20)], 20), ["a"]);
        assert!(
            silent(&[("own", 0, 20), ("a", 0, 17), ("b", 0, 20)], 20).is_empty(),
            "three seconds are borne"
        );
        assert!(silent(&[("own", 0, 10), ("a", 0, 10)], 20).is_empty(), "one hears nobody, also not oneself");
        assert!(silent(&[("a", 0, 10)], 20).is_empty(), "never heard oneself");
    }

    #[test]
    fn whoever_wakes_up_listens_first() {
        assert!(silent(&[("own", 0, 5), ("own", 18, 20), ("a", 0, 5)], 20).is_empty());
        assert_eq!(silent(&[("own", 0, 5), ("own", 16, 20), ("a", 0, 5)], 20), ["a"]);
    }

    #[test]
    fn whoever_is_new_is_told_who_is_there_and_nobody_else() {
        let (mut peers, now) = (Peers::new("own".into()), Instant::now());
        let heard = ["own", "a", "own", "a", "b"].map(|name| peers.heard(pulse(name), now));
        assert_eq!(heard, [false, true, false, false, true]);
        assert!(!peers.heard(Pulse { last: true, ..pulse("a") }, now));
        assert!(peers.heard(pulse("a"), now), "it came back");
    }

    #[test]
    fn whoever_says_goodbye_and_whoever_was_named_isnt_named() {
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        let mut peers = Peers::new("own".into());
        for name in ["own", "a", "b"] {
            peers.heard(pulse(name), begun);
        }
        peers.heard(Pulse { last: true, ..pulse("a") }, begun);
        for second in 1..=9 {
            peers.heard(pulse("own"), after(second));
        }
        assert_eq!(peers.silent(after(9)).len(), 1);
        assert_eq!(peers.silent(after(9)).len(), 0);
    }
}
