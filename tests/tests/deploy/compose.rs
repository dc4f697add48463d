//! A cluster of containers.

use std::{
    collections::HashMap,
    fs,
    net::TcpListener,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus},
};

use kez_tests::{SERVER, process::kill_group};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::{deploy, must};

/// What a test changes, so that it stands beside another cluster: few ports, none of them fixed; and no limits on what comes from one address.
const BESIDE: &str = "
services:
  nats-1: { ports: !reset [] }
  nats-2: { ports: !reset [] }
  nats-3: { ports: !reset [] }
  gateway: { environment: { KEZ_CHAT_LIMIT_SENDS: 0, KEZ_CHAT_LIMIT_REQUESTS: 0 } }
  proxy: { ports: !override PORTS }
";
/// What of the proxy is reached from here.
const PORTS: [u16; 3] = [6969, 8443, 443];

/// The image of this version.
const OWN: &str = "kez-chat:test";

/// A running cluster, gone with its volumes when dropped.
pub struct Cluster {
    project: String,
    image: String,
    dir: TempDir,
    ports: HashMap<u16, u16>,
}

impl Cluster {
    /// Builds and starts it: this version, or the image of another one that is to be replaced by it.
    pub fn up(other: Option<String>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Docker would choose others whenever a container starts. All are held until each has one.
        let free = PORTS.map(|inside| (inside, TcpListener::bind("127.0.0.1:0").unwrap()));
        let ports = free.map(|(inside, listener)| (inside, listener.local_addr().unwrap().port()));
        let published = ports.map(|(inside, outside)| format!("127.0.0.1:{outside}:{inside}"));
        fs::write(dir.path().join("beside.yaml"), BESIDE.replace("PORTS", &format!("{published:?}")))
            .unwrap();
        let ports = HashMap::from(ports);
        let project = format!("kez-test-{}", std::process::id());
        let mut cluster = Self { project, image: OWN.into(), dir, ports };
        must(cluster.compose(&["build", "--quiet", "init"]));
        if let Some(other) = other {
            cluster.image = other;
        }
        must(cluster.compose(&["up", "--detach", "--no-build", "--quiet-pull"]));
        cluster
    }

    /// `docker compose` for this cluster.
    pub fn compose(&self, arguments: &[&str]) -> Command {
        let mut command = self.command("docker");
        command.arg("compose").args(arguments);
        command
    }

    /// Starts the operator's way to a new version, which this is.
    pub fn upgrade(&mut self) -> Upgrade {
        self.image = OWN.into();
        Upgrade(self.command(deploy("upgrade").to_str().unwrap()).process_group(0).spawn().unwrap())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let files = [deploy("compose.yaml"), self.dir.path().join("beside.yaml")];
        let files = files.map(|file| file.to_str().unwrap().to_owned()).join(":");
        for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("KEZ_")) {
            command.env_remove(key);
        }
        command
            .envs([("COMPOSE_FILE", files.as_str()), ("COMPOSE_PROJECT_NAME", &self.project)])
            .envs([("KEZ_CHAT_SERVER", SERVER), ("KEZ_CHAT_IMAGE", &self.image)])
            .current_dir(deploy(""));
        command
    }

    /// Where a port of the proxy is on this machine.
    pub fn at(&self, port: u16) -> String {
        format!("127.0.0.1:{}", self.ports[&port])
    }

    /// The address of plain HTTP.
    pub fn url(&self) -> String {
        format!("http://{}", self.at(6969))
    }

    /// What Docker knows of the containers of this service that run.
    pub fn containers(&self, service: &str) -> Vec<Value> {
        let ids = must(self.compose(&["ps", "--quiet", service]));
        let found = must(Command::new("docker").arg("inspect").args(ids.split_whitespace()));
        serde_json::from_str(&found).unwrap()
    }

    /// The certificate of the proxy's own authority, PEM.
    pub fn authority(&self) -> String {
        let file = "/data/caddy/pki/authorities/local/root.crt";
        must(self.compose(&["exec", "-T", "proxy", "cat", file]))
    }

    /// A folder that ends with the cluster.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// It makes containers, and so ends with its test.
pub struct Upgrade(Child);

impl Upgrade {
    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }
}

impl Drop for Upgrade {
    fn drop(&mut self) {
        kill_group(&self.0, Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.compose(&["ps", "--all"]).status();
            let _ = self.compose(&["logs", "--tail", "20"]).status();
        }
        let _ = self.compose(&["down", "--volumes", "--remove-orphans", "--timeout", "2"]).output();
    }
}
