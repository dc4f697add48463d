//! Three nats-servers, and two of each service, each on a host of its own.

use std::{fs, path::PathBuf, process::Child};

use kez_proto::subjects::Role;
use kez_tests::{Process, SERVER, clock, disk::Disk, nats::Nats, net::Host, process::binary};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::slow;

/// The disk of each nats-server, in memory: small enough to be filled.
const DISK: &str = "size=256m";

/// Nobody reaches this limit; but it is counted.
const UNREACHED: &str = "1000000";

/// A service of which there are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Registry,
    Fanout,
    Sigchain,
    AuthCallout,
    Gateway,
}

impl Kind {
    pub const ALL: [Self; 5] =
        [Self::Registry, Self::Fanout, Self::Sigchain, Self::AuthCallout, Self::Gateway];

    pub fn program(self) -> &'static str {
        match self {
            Self::Registry => "kez-registry",
            Self::Fanout => "kez-fanout",
            Self::Sigchain => "kez-sigchain",
            Self::AuthCallout => "kez-auth-callout",
            Self::Gateway => "kez-gateway",
        }
    }
}

/// A service on its host.
pub struct Instance {
    pub kind: Kind,
    pub host: Host,
    program: PathBuf,
    arguments: Vec<String>,
    /// None while it is dead.
    pub process: Option<Process>,
}

impl Instance {
    /// Starts it again; not yet ready.
    pub fn start(&mut self) {
        self.start_with(&[]);
    }

    /// Starts it again with a clock that is ten minutes ahead; not yet ready.
    pub fn start_ahead(&mut self) {
        let ahead = clock::ahead().expect("it was there at the start");
        let environment: Vec<_> = ahead.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.start_with(&environment);
    }

    fn start_with(&mut self, environment: &[(&str, &str)]) {
        let process =
            Process::spawn_on(&self.host, &self.program, self.kind.program(), &self.arguments, environment);
        self.process = Some(process);
    }

    /// Waits until it is ready, the first time after a start.
    pub async fn ready(&mut self) {
        if let Some(process) = &mut self.process {
            process.ready().await;
        }
    }

    /// Whether its clock is ahead: of one that runs.
    pub fn is_ahead(&self) -> bool {
        let pid = self.process.as_ref().expect("it runs").pid();
        fs::read_to_string(format!("/proc/{pid}/maps")).unwrap().contains("libfaketime")
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Sends a signal, such as SIGSTOP.
    pub fn signal(&self, signal: Signal) {
        self.process.as_ref().expect("it runs").signal(signal);
    }
}

/// The deployment.
pub struct Cluster {
    pub nats: [Nats; 3],
    pub hosts: [Host; 3],
    /// Of each nats-server.
    pub disks: [Disk; 3],
    /// Two of each kind, in the order of [`Kind::ALL`].
    pub services: Vec<Instance>,
    /// Who delays the packets of a host.
    pub delays: Vec<(Host, Child)>,
    dir: TempDir,
}

impl Cluster {
    /// Starts all of it, and waits until it is ready.
    pub async fn start() -> Self {
        let hosts = [1, 2, 3].map(Host::new);
        let disks = [(); 3].map(|()| Disk::new(DISK).expect("a tmpfs can be mounted"));
        let mut n = 0;
        let machines = hosts.clone().map(|host| {
            n += 1;
            Some((host, disks[n - 1].path().to_owned()))
        });
        let nats = Nats::start_cluster_on(machines).await;
        let (services, delays, dir) = (vec![], vec![], tempfile::tempdir().unwrap());
        let mut cluster = Self { nats, hosts, disks, services, delays, dir };
        let each = Kind::ALL.into_iter().flat_map(|kind| [kind, kind]);
        for (n, kind) in each.enumerate() {
            let host = Host::new(11 + n as u8);
            let arguments = cluster.arguments(kind, n, &host);
            let mut instance = Instance { kind, host, program: program(kind), arguments, process: None };
            instance.start();
            cluster.services.push(instance);
        }
        for service in &mut cluster.services {
            service.ready().await;
        }
        cluster
    }

    /// Delays every packet of this host.
    pub fn delay(&mut self, host: &Host) {
        self.delays.push((host.clone(), slow::start(host)));
    }

    /// Delays none any more.
    pub fn hasten(&mut self, host: &Host) {
        host.mend();
        for (_, mut delay) in self.delays.extract_if(.., |(slow, _)| slow.address == host.address) {
            assert!(delay.try_wait().unwrap().is_none(), "nothing was delayed");
            delay.kill().unwrap();
            delay.wait().unwrap();
        }
    }

    /// Where the two gateways are.
    pub fn urls(&self) -> Vec<String> {
        let gateways = self.services.iter().filter(|service| service.kind == Kind::Gateway);
        gateways.map(|gateway| format!("http://{}:6969", gateway.host.address)).collect()
    }

    /// Where the nats-servers are.
    pub fn nats_urls(&self) -> String {
        self.nats.each_ref().map(Nats::url).join(",")
    }

    /// Where this registry's index is.
    pub fn index(&self, n: usize) -> std::path::PathBuf {
        self.dir.path().join(format!("index-{n}"))
    }

    fn arguments(&self, kind: Kind, n: usize, host: &Host) -> Vec<String> {
        let key = |role: Role| self.nats[0].keys.seed_file(role).to_str().unwrap().to_owned();
        let index = self.index(n).to_str().unwrap().to_owned();
        let admin = format!("{}:9090", host.address);
        let bind = format!("{}:6969", host.address);
        let keys = self.nats[0].keys.dir().to_str().unwrap().to_owned();
        let urls = self.nats_urls();
        let (role, own): (_, Vec<(&str, String)>) = match kind {
            Kind::Registry => (
                Role::Registry,
                vec![
                    ("server", SERVER.into()),
                    ("index", index),
                    ("replicas", "3".into()),
                    ("nats-clients-nkey", key(Role::RegistryClients)),
                    ("limit-client-requests", "0".into()),
                ],
            ),
            Kind::Fanout => (
                Role::Fanout,
                vec![
                    ("replicas", "3".into()),
                    ("nats-clients-nkey", key(Role::FanoutClients)),
                    ("limit-client-requests", "0".into()),
                    ("limit-sender", UNREACHED.into()),
                ],
            ),
            Kind::Sigchain => (Role::Sigchain, vec![("replicas", "3".into())]),
            Kind::AuthCallout => (Role::AuthCallout, vec![("server", SERVER.into()), ("callout-keys", keys)]),
            Kind::Gateway => {
                let own = [("server", SERVER.into()), ("bind", bind)];
                let flags = [
                    "limit-requests",
                    "limit-sends",
                    "limit-registrations",
                    "limit-sessions",
                    "limit-streams",
                ];
                (Role::Gateway, own.into_iter().chain(flags.map(|flag| (flag, UNREACHED.into()))).collect())
            }
        };
        let common = vec![
            ("nats-url", urls),
            ("nats-nkey", key(role)),
            ("admin-bind", admin),
            ("drain-seconds", "2".into()),
        ];
        own.into_iter().chain(common).map(|(flag, value)| format!("--{flag}={value}")).collect()
    }
}

/// What is run: the built one, or a fan-out that must be found out (`make chaos-broken`).
fn program(kind: Kind) -> PathBuf {
    let other = std::env::var_os("KEZ_CHAOS_FANOUT").filter(|_| kind == Kind::Fanout);
    other.map_or_else(|| binary(kind.program()), PathBuf::from)
}
