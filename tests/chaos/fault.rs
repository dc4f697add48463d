//! What is broken, and how it is mended.

use std::{fmt, fs, time::Duration};

use fastrand::Rng;
use nix::sys::signal::Signal;

use crate::cluster::{Cluster, Kind};

/// Something that breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// kill -9; it comes back.
    Kill,
    /// It stands still (SIGSTOP), and goes on.
    Pause,
    /// Its wire is pulled, and put back.
    Cut,
    /// A twentieth of the packets that come to it are lost.
    Loss,
    /// kill -9, and its index on the disk is rubbish when it comes back: of a registry.
    Corrupt,
}

/// Where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A nats-server.
    Nats(usize),
    /// A service.
    Service(Kind, usize),
}

/// A fault.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub what: What,
    pub place: Place,
    pub lasts: Duration,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Nats(n) => write!(f, "{:?} nats-server {n}", self.what)?,
            Place::Service(kind, n) => write!(f, "{:?} {} {}", self.what, kind.program(), n % 2)?,
        }
        write!(f, " for {:.1} s", self.lasts.as_secs_f64())
    }
}

impl Fault {
    /// One of all faults.
    pub fn any(rng: &mut Rng) -> Self {
        let nats = rng.u8(0..100) < 35;
        let place = if nats {
            Place::Nats(rng.usize(0..3))
        } else {
            let n = rng.usize(0..2 * Kind::ALL.len());
            Place::Service(Kind::ALL[n / 2], n)
        };
        let what = match (rng.u8(0..10), place) {
            (0..3, _) => What::Kill,
            (3..5, _) => What::Pause,
            (5..8, _) => What::Cut,
            (8, Place::Service(Kind::Registry, _)) => What::Corrupt,
            _ => What::Loss,
        };
        // Now and then so long that connections are given up for dead.
        let seconds = if rng.u8(0..10) == 0 { rng.f64() * 20.0 + 10.0 } else { rng.f64() * 5.0 + 0.5 };
        Self { what, place, lasts: Duration::from_secs_f64(seconds) }
    }

    /// Whether a deployment with two of everything, and three nats-servers, bears both at once.
    pub fn bears(&self, other: &Self) -> bool {
        match (self.place, other.place) {
            (Place::Nats(_), Place::Nats(_)) => false,
            (Place::Service(one, _), Place::Service(two, _)) => one != two,
            _ => true,
        }
    }

    /// Breaks it.
    pub fn inject(&self, cluster: &mut Cluster) {
        match (self.what, self.place) {
            (What::Kill | What::Corrupt, Place::Nats(n)) => cluster.nats[n].kill(),
            (What::Pause, Place::Nats(n)) => cluster.nats[n].signal(Signal::SIGSTOP),
            (What::Cut, Place::Nats(n)) => cluster.hosts[n].unplug(),
            (What::Loss, Place::Nats(n)) => cluster.hosts[n].lose(0.05),
            (What::Kill, Place::Service(_, n)) => cluster.services[n].kill(),
            (What::Corrupt, Place::Service(_, n)) => {
                cluster.services[n].kill();
                spoil(&cluster.index(n));
            }
            (What::Pause, Place::Service(_, n)) => {
                if let Some(process) = &cluster.services[n].process {
                    process.signal(Signal::SIGSTOP);
                }
            }
            (What::Cut, Place::Service(_, n)) => cluster.services[n].host.unplug(),
            (What::Loss, Place::Service(_, n)) => cluster.services[n].host.lose(0.05),
        }
    }

    /// Mends it. What was killed is started, and may not be ready yet.
    pub async fn mend(&self, cluster: &mut Cluster) {
        match (self.what, self.place) {
            (What::Kill | What::Corrupt, Place::Nats(n)) => cluster.nats[n].restart().await,
            (What::Pause, Place::Nats(n)) => cluster.nats[n].signal(Signal::SIGCONT),
            (What::Cut, Place::Nats(n)) => cluster.hosts[n].plug(),
            (What::Loss, Place::Nats(n)) => cluster.hosts[n].mend(),
            (What::Kill | What::Corrupt, Place::Service(_, n)) => cluster.services[n].start(),
            (What::Pause, Place::Service(_, n)) => {
                if let Some(process) = &cluster.services[n].process {
                    process.signal(Signal::SIGCONT);
                }
            }
            (What::Cut, Place::Service(_, n)) => cluster.services[n].host.plug(),
            (What::Loss, Place::Service(_, n)) => cluster.services[n].host.mend(),
        }
    }
}

/// Every file of an index is rubbish from its middle on.
fn spoil(index: &std::path::Path) {
    for entry in fs::read_dir(index).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            spoil(&path);
        } else if let Ok(mut bytes) = fs::read(&path) {
            let half = bytes.len() / 2;
            bytes[half..].fill(0x5a);
            fs::write(&path, bytes).unwrap();
        }
    }
}
