//! Separate services on one nats-server, or on a cluster of three: any number of each.

use std::path::Path;

use kez_proto::subjects::Role;
use tempfile::TempDir;

use crate::{Process, SERVER, nats::Nats};

/// A running deployment.
pub struct Deployment {
    /// Gateways; see [`Deployment::url`].
    pub gateways: Vec<Process>,
    /// Fan-outs.
    pub fanouts: Vec<Process>,
    /// Registries.
    pub registries: Vec<Process>,
    /// Sigchain services: none until [`Deployment::add_sigchain`].
    pub sigchains: Vec<Process>,
    /// Auth callouts.
    pub auth_callouts: Vec<Process>,
    /// The broker.
    pub nats: Nats,
    /// The other nats-servers, if it is a cluster.
    pub peers: Vec<Nats>,
    /// More arguments for every service that is started from now on.
    pub arguments: Vec<String>,
    /// More arguments for fan-outs and gateways that are started from now on.
    pub fanout_arguments: Vec<String>,
    /// See `fanout_arguments`.
    pub gateway_arguments: Vec<String>,
    /// See `fanout_arguments`.
    pub auth_callout_arguments: Vec<String>,
    /// Environment variables of every service that is started from now on.
    pub environment: Vec<(&'static str, String)>,
    dir: TempDir,
}

impl Deployment {
    /// One nats-server and `instances` of each service, all ready. The limits per address are off.
    pub async fn start(instances: usize) -> Self {
        Self::start_with(instances, &[], &[]).await
    }

    /// The same with more arguments for the fan-outs and the gateways; the last of a repeated flag counts for none: give each once.
    pub async fn start_with(instances: usize, fanout: &[&str], gateway: &[&str]) -> Self {
        Self::start_on(Nats::start().await, instances, fanout, gateway).await
    }

    /// The same on this nats-server.
    pub async fn start_on(nats: Nats, instances: usize, fanout: &[&str], gateway: &[&str]) -> Self {
        let owned = |arguments: &[&str]| arguments.iter().map(ToString::to_string).collect();
        let mut deployment = Self::on(nats, vec![]);
        deployment.fanout_arguments = owned(fanout);
        deployment.gateway_arguments = owned(gateway);
        for n in 0..instances {
            deployment.add(n);
            deployment.auth_callouts.push(deployment.auth_callout());
        }
        deployment.ready().await;
        deployment
    }

    /// Three nats-servers that keep three copies of everything, an auth callout at each of those that are named, and one of each other service, which
    /// connects to any.
    pub async fn start_cluster(callouts: &[usize]) -> Self {
        let mut deployment = Self::cluster_alone().await;
        deployment.add(0);
        for node in callouts {
            deployment.auth_callouts.push(deployment.auth_callout_at(*node));
        }
        deployment.ready().await;
        deployment
    }

    /// One nats-server, and no service yet.
    pub async fn alone() -> Self {
        Self::on(Nats::start().await, vec![])
    }

    /// Three nats-servers, and no service yet.
    pub async fn cluster_alone() -> Self {
        let [nats, second, third] = Nats::start_cluster().await;
        Self::on(nats, vec![second, third])
    }

    /// Starts one of each service, the one that keeps identity logs too, and waits until they are ready.
    pub async fn begin(&mut self) {
        self.add(0);
        self.auth_callouts.push(self.auth_callout());
        self.ready().await;
        self.add_sigchain().await;
    }

    /// Ends every service, in order; nats-server goes on.
    pub async fn end(&mut self) {
        let Self { registries, fanouts, sigchains, auth_callouts, gateways, .. } = self;
        for services in [gateways, sigchains, auth_callouts, fanouts, registries] {
            for mut process in services.drain(..) {
                assert!(process.terminate().await.success(), "{}", process.log());
            }
        }
    }

    fn on(nats: Nats, peers: Vec<Nats>) -> Self {
        Self {
            gateways: vec![],
            fanouts: vec![],
            registries: vec![],
            sigchains: vec![],
            auth_callouts: vec![],
            nats,
            peers,
            arguments: vec![],
            fanout_arguments: vec![],
            gateway_arguments: vec![],
            auth_callout_arguments: vec![],
            environment: vec![],
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// Starts the `n`th registry, and a fan-out and a gateway.
    fn add(&mut self, n: usize) {
        self.registries.push(self.registry(n));
        self.fanouts.push(self.fanout());
        self.gateways.push(self.gateway("127.0.0.1:0"));
    }

    async fn ready(&mut self) {
        let Self { registries, fanouts, auth_callouts, gateways, .. } = self;
        for process in [registries, fanouts, auth_callouts, gateways].into_iter().flatten() {
            process.ready().await;
        }
    }

    /// The `n`th nats-server.
    pub fn node(&self, n: usize) -> &Nats {
        if n == 0 { &self.nats } else { &self.peers[n - 1] }
    }

    /// The address of every nats-server, as services and clients take them.
    pub fn nats_urls(&self) -> String {
        let all = std::iter::once(&self.nats).chain(&self.peers);
        all.map(Nats::url).collect::<Vec<_>>().join(",")
    }

    fn service(&self, name: &str, role: Role, arguments: &[&str], more: &[String]) -> Process {
        self.service_at(&self.nats_urls(), name, role, arguments, more)
    }

    fn service_at(&self, urls: &str, name: &str, role: Role, arguments: &[&str], more: &[String]) -> Process {
        let common =
            ["--nats-url", urls, "--nats-nkey", &self.seed(role), "--drain-seconds", "2"].map(String::from);
        let more = self.arguments.iter().chain(more).cloned();
        let arguments = arguments.iter().map(ToString::to_string).chain(common).chain(more);
        let environment: Vec<_> =
            self.environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Process::spawn_with(name, &arguments.collect::<Vec<_>>(), &environment)
    }

    fn seed(&self, role: Role) -> String {
        self.nats.keys.seed_file(role).to_str().unwrap().to_owned()
    }

    /// Where the index of the `n`th registry is.
    pub fn index(&self, n: usize) -> std::path::PathBuf {
        self.dir.path().join(format!("index-{n}"))
    }

    /// Starts a registry with the `n`th index; not yet ready.
    pub fn registry(&self, n: usize) -> Process {
        let index: &Path = &self.index(n);
        self.service(
            "kez-registry",
            Role::Registry,
            &[
                "--server",
                SERVER,
                "--index",
                index.to_str().unwrap(),
                "--replicas",
                self.replicas(),
                "--nats-clients-nkey",
                &self.seed(Role::RegistryClients),
                "--limit-client-requests",
                "0",
                "--operator",
                self.nats.keys.public(Role::Operator),
            ],
            &[],
        )
    }

    /// Starts a fan-out; not yet ready.
    pub fn fanout(&self) -> Process {
        let clients = self.seed(Role::FanoutClients);
        let mut arguments = vec!["--replicas", self.replicas(), "--nats-clients-nkey", &clients];
        if !self.fanout_arguments.iter().any(|a| a == "--limit-client-requests") {
            arguments.extend(["--limit-client-requests", "0"]);
        }
        self.service("kez-fanout", Role::Fanout, &arguments, &self.fanout_arguments)
    }

    /// Copies of every stream.
    fn replicas(&self) -> &'static str {
        if self.peers.is_empty() { "1" } else { "3" }
    }

    /// Starts another sigchain service, and waits until it is ready.
    pub async fn add_sigchain(&mut self) {
        self.add_sigchain_with(&[]).await;
    }

    /// The same with flags of its own.
    pub async fn add_sigchain_with(&mut self, flags: &[&str]) {
        let flags = [&["--replicas", self.replicas()], flags].concat();
        let mut sigchain = self.service("kez-sigchain", Role::Sigchain, &flags, &[]);
        sigchain.ready().await;
        self.sigchains.push(sigchain);
    }

    /// Starts an auth callout; not yet ready.
    pub fn auth_callout(&self) -> Process {
        self.auth_callout_of(&self.nats_urls())
    }

    /// Starts an auth callout that knows the `n`th nats-server alone; not yet ready.
    pub fn auth_callout_at(&self, n: usize) -> Process {
        self.auth_callout_of(&self.node(n).url())
    }

    fn auth_callout_of(&self, urls: &str) -> Process {
        let keys = self.nats.keys.dir().to_str().unwrap();
        let arguments = ["--server", SERVER, "--callout-keys", keys];
        let more = &self.auth_callout_arguments;
        self.service_at(urls, "kez-auth-callout", Role::AuthCallout, &arguments, more)
    }

    /// Starts a gateway at this address; not yet ready.
    pub fn gateway(&self, bind: &str) -> Process {
        let mut arguments = vec!["--server", SERVER, "--bind", bind];
        let limits = [
            "--limit-requests",
            "--limit-sends",
            "--limit-registrations",
            "--limit-sessions",
            "--limit-streams",
        ];
        for limit in limits.iter().filter(|l| !self.gateway_arguments.iter().any(|a| a == *l)) {
            arguments.extend([limit, "0"]);
        }
        self.service("kez-gateway", Role::Gateway, &arguments, &self.gateway_arguments)
    }

    /// Base URL of the `n`th gateway.
    pub fn url(&self, n: usize) -> &str {
        self.gateways[n].address("http")
    }
}
