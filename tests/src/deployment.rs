//! Separate services on one nats-server: any number of each.

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
    /// Auth callouts.
    pub auth_callouts: Vec<Process>,
    /// The broker.
    pub nats: Nats,
    /// More arguments for fan-outs and gateways that are started from now on.
    pub fanout_arguments: Vec<String>,
    /// See `fanout_arguments`.
    pub gateway_arguments: Vec<String>,
    /// See `fanout_arguments`.
    pub auth_callout_arguments: Vec<String>,
    dir: TempDir,
}

impl Deployment {
    /// One nats-server and `instances` of each service, all ready. The limits per address are off.
    pub async fn start(instances: usize) -> Self {
        Self::start_with(instances, &[], &[]).await
    }

    /// The same with more arguments for the fan-outs and the gateways; the last of a repeated flag counts for none: give each once.
    pub async fn start_with(instances: usize, fanout: &[&str], gateway: &[&str]) -> Self {
        let owned = |arguments: &[&str]| arguments.iter().map(ToString::to_string).collect();
        let mut deployment = Self {
            gateways: vec![],
            fanouts: vec![],
            registries: vec![],
            auth_callouts: vec![],
            nats: Nats::start().await,
            fanout_arguments: owned(fanout),
            gateway_arguments: owned(gateway),
            auth_callout_arguments: vec![],
            dir: tempfile::tempdir().unwrap(),
        };
        for n in 0..instances {
            deployment.registries.push(deployment.registry(n));
            deployment.fanouts.push(deployment.fanout());
            deployment.auth_callouts.push(deployment.auth_callout());
            deployment.gateways.push(deployment.gateway("127.0.0.1:0"));
        }
        for processes in [
            &mut deployment.registries,
            &mut deployment.fanouts,
            &mut deployment.auth_callouts,
            &mut deployment.gateways,
        ] {
            for process in processes {
                process.ready().await;
            }
        }
        deployment
    }

    fn service(&self, name: &str, role: Role, arguments: &[&str], more: &[String]) -> Process {
        let common =
            ["--nats-url", &self.nats.url(), "--nats-nkey", &self.seed(role), "--drain-seconds", "2"]
                .map(String::from);
        let arguments = arguments.iter().map(ToString::to_string).chain(common).chain(more.iter().cloned());
        Process::spawn(name, &arguments.collect::<Vec<_>>())
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
                "--nats-clients-nkey",
                &self.seed(Role::RegistryClients),
                "--limit-client-requests",
                "0",
            ],
            &[],
        )
    }

    /// Starts a fan-out; not yet ready.
    pub fn fanout(&self) -> Process {
        let mut arguments = vec!["--nats-clients-nkey".to_owned(), self.seed(Role::FanoutClients)];
        if !self.fanout_arguments.iter().any(|a| a == "--limit-client-requests") {
            arguments.extend(["--limit-client-requests", "0"].map(String::from));
        }
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        self.service("kez-fanout", Role::Fanout, &arguments, &self.fanout_arguments)
    }

    /// Starts an auth callout; not yet ready.
    pub fn auth_callout(&self) -> Process {
        let keys = self.nats.keys.dir().to_str().unwrap();
        let arguments = ["--server", SERVER, "--callout-keys", keys];
        self.service("kez-auth-callout", Role::AuthCallout, &arguments, &self.auth_callout_arguments)
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
