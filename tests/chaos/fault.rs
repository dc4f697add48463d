//! What is broken, and how it is mended.

use std::{fmt, fs, path::Path, time::Duration};

use fastrand::Rng;
use kez_tests::net::{Host, OWN_ADDRESS};
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
    /// Every packet that comes and goes takes 200 ms.
    Slow,
    /// Its disk is full. Once there is room it starts anew, as the operator does it: of a nats-server.
    Full,
    /// It starts anew with a clock that is ten minutes ahead, and anew with the right one: of a service.
    Clock,
    /// kill -9, and its index on the disk is rubbish when it comes back: of a registry.
    Corrupt,
    /// The clients don't reach it: of gateways.
    Apart,
}

impl What {
    pub const ALL: [Self; 9] = [
        Self::Kill,
        Self::Pause,
        Self::Cut,
        Self::Loss,
        Self::Slow,
        Self::Full,
        Self::Clock,
        Self::Corrupt,
        Self::Apart,
    ];
}

/// Where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A nats-server.
    Nats(usize),
    /// A service.
    Service(Kind, usize),
    /// Both gateways.
    Gateways,
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
            Place::Gateways => write!(f, "{:?} both gateways", self.what)?,
        }
        write!(f, " for {:.1} s", self.lasts.as_secs_f64())
    }
}

impl Fault {
    /// One of all faults whose kind has these words in its name.
    pub fn any(rng: &mut Rng, words: &str) -> Self {
        loop {
            let fault = Self::one(rng);
            if fault.kind().contains(words) {
                return fault;
            }
        }
    }

    fn one(rng: &mut Rng) -> Self {
        let place = match rng.u8(0..20) {
            0..7 => Place::Nats(rng.usize(0..3)),
            7 => Place::Gateways,
            _ => {
                let n = rng.usize(0..2 * Kind::ALL.len());
                Place::Service(Kind::ALL[n / 2], n)
            }
        };
        let what = match (place, rng.u8(0..10)) {
            (Place::Gateways, _) | (Place::Service(Kind::Gateway, _), 9) => What::Apart,
            (Place::Service(Kind::Registry, _), 9) => What::Corrupt,
            (Place::Nats(_), 8..) => What::Full,
            (Place::Service(..), 8) => What::Clock,
            (_, 0..2) => What::Kill,
            (_, 2..4) => What::Pause,
            (_, 4..6) => What::Cut,
            (_, 6) => What::Loss,
            (_, 7) => What::Slow,
            _ => What::Kill,
        };
        // Now and then so long that connections are given up for dead.
        let seconds = if rng.u8(0..10) == 0 { rng.f64() * 20.0 + 10.0 } else { rng.f64() * 5.0 + 0.5 };
        Self { what, place, lasts: Duration::from_secs_f64(seconds) }
    }

    /// The kind that it is counted under.
    pub fn kind(&self) -> String {
        let what = match self.what {
            What::Kill => "kill -9",
            What::Pause => "SIGSTOP",
            What::Cut => "wire pulled",
            What::Loss => "5 % of packets lost",
            What::Slow => "200 ms each way",
            What::Full => "disk full",
            What::Clock => "clock 10 min ahead",
            What::Corrupt => "kill -9, index spoilt",
            What::Apart => "cut from the clients",
        };
        let place = match self.place {
            Place::Nats(_) => "nats-server",
            Place::Service(kind, _) => kind.program(),
            Place::Gateways => "both gateways",
        };
        format!("{place}: {what}")
    }

    /// Whether a deployment with two of everything, and three nats-servers, bears both at once.
    pub fn bears(&self, other: &Self) -> bool {
        let gateway = |place| matches!(place, Place::Gateways | Place::Service(Kind::Gateway, _));
        match (self.place, other.place) {
            (Place::Nats(_), Place::Nats(_)) => false,
            (Place::Service(one, _), Place::Service(two, _)) => one != two,
            (one, two) => !(gateway(one) && gateway(two)),
        }
    }

    /// Breaks it.
    pub fn inject(&self, cluster: &mut Cluster) {
        let hosts = self.hosts(cluster);
        match (self.what, self.place) {
            (What::Cut, _) => hosts.iter().for_each(Host::unplug),
            (What::Loss, _) => hosts.iter().for_each(|host| host.lose(0.05)),
            (What::Slow, _) => hosts.iter().for_each(|host| cluster.delay(host)),
            (What::Apart, _) => hosts.iter().for_each(|host| host.shun(OWN_ADDRESS)),
            (What::Kill, Place::Nats(n)) => cluster.nats[n].kill(),
            (What::Pause, Place::Nats(n)) => cluster.nats[n].signal(Signal::SIGSTOP),
            (What::Full, Place::Nats(n)) => cluster.disks[n].fill(),
            (What::Kill, Place::Service(_, n)) => cluster.services[n].kill(),
            (What::Pause, Place::Service(_, n)) => cluster.services[n].signal(Signal::SIGSTOP),
            (What::Clock, Place::Service(_, n)) => {
                cluster.services[n].kill();
                cluster.services[n].start_ahead();
            }
            (What::Corrupt, Place::Service(_, n)) => {
                cluster.services[n].kill();
                spoil(&cluster.index(n));
            }
            (what, place) => unreachable!("{what:?} of {place:?}"),
        }
    }

    /// Mends it. What was killed is started, and may not be ready yet.
    pub async fn mend(&self, cluster: &mut Cluster) {
        let hosts = self.hosts(cluster);
        match (self.what, self.place) {
            (What::Cut, _) => hosts.iter().for_each(Host::plug),
            (What::Loss | What::Apart, _) => hosts.iter().for_each(Host::mend),
            (What::Slow, _) => hosts.iter().for_each(|host| cluster.hasten(host)),
            (What::Kill, Place::Nats(n)) => cluster.nats[n].restart().await,
            (What::Pause, Place::Nats(n)) => cluster.nats[n].signal(Signal::SIGCONT),
            (What::Full, Place::Nats(n)) => {
                cluster.disks[n].free();
                // It has turned its streams off, and doesn't turn them on again by itself.
                cluster.nats[n].kill();
                cluster.nats[n].restart().await;
            }
            (What::Pause, Place::Service(_, n)) => cluster.services[n].signal(Signal::SIGCONT),
            (What::Kill | What::Corrupt, Place::Service(_, n)) => cluster.services[n].start(),
            (What::Clock, Place::Service(_, n)) => {
                assert!(cluster.services[n].is_ahead(), "its clock is right");
                cluster.services[n].kill();
                cluster.services[n].start();
            }
            (what, place) => unreachable!("{what:?} of {place:?}"),
        }
    }

    fn hosts(&self, cluster: &Cluster) -> Vec<Host> {
        match self.place {
            Place::Nats(n) => vec![cluster.hosts[n].clone()],
            Place::Service(_, n) => vec![cluster.services[n].host.clone()],
            Place::Gateways => {
                let gateways = cluster.services.iter().filter(|service| service.kind == Kind::Gateway);
                gateways.map(|gateway| gateway.host.clone()).collect()
            }
        }
    }
}

/// Every file of an index is rubbish from its middle on.
fn spoil(index: &Path) {
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
