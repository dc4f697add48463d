//! The real nats-server, with the accounts and keys of a deployment; alone, or as one of a cluster.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use async_nats::{Client, ConnectOptions};
use kez_nats::{
    Keys, NatsServer, Origin, Server,
    config::{Cluster, Sync, WebSocket},
    ports,
};
use kez_proto::subjects::Role;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    chat_server::free_port,
    net::Host,
    wait::{eventually, within},
};

/// A running nats-server; killed when dropped.
pub struct Nats {
    child: Option<Child>,
    dir: TempDir,
    store: PathBuf,
    name: String,
    cluster: Option<Cluster>,
    host: Option<Host>,
    /// The deployment's keys.
    pub keys: Keys,
    /// Where it listens; the same after a restart.
    pub address: SocketAddr,
    /// Where it takes browsers; the same after a restart.
    pub websocket: SocketAddr,
    /// Whose pages it takes; a change counts from the next restart.
    pub origins: Vec<Origin>,
    /// When what it acknowledges is on disk; a change counts from the next restart.
    pub sync: Sync,
}

/// The web page that every [`Nats`] takes, unless a test changes that.
pub const ORIGIN: &str = "https://web.kez.test";

/// The nats-server that `make test` got.
pub fn nats_server() -> PathBuf {
    let named = std::env::var_os("KEZ_NATS_SERVER").map(PathBuf::from);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let fetched = || {
        let tools = std::fs::read_dir(root.join(".tools")).ok()?;
        tools.flatten().map(|dir| dir.path().join("nats-server")).find(|path| path.is_file())
    };
    named.or_else(fetched).expect("there is no nats-server; run `make test`")
}

impl Nats {
    /// Starts one.
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::load_or_create(&dir.path().join("keys")).unwrap();
        let mut nats = Self::new("kez-test".into(), dir, keys, None);
        nats.restart().await;
        nats
    }

    /// Starts three that are one cluster. The first has the folder of the keys.
    pub async fn start_cluster() -> [Self; 3] {
        Self::start_cluster_on([None, None, None]).await
    }

    /// The same, each on its host, where it stores in this folder.
    pub async fn start_cluster_on(hosts: [Option<(Host, PathBuf)>; 3]) -> [Self; 3] {
        let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let keys = Keys::load_or_create(&dirs[0].path().join("keys")).unwrap();
        let routes = hosts.each_ref().map(|host| match host {
            Some((host, _)) => format!("{}:6222", host.address),
            None => format!("127.0.0.1:{}", free_port()),
        });
        let mut n = 0;
        let mut nodes = dirs.map(|dir| {
            let cluster = Cluster {
                name: "kez-test".into(),
                listen: routes[n].parse().unwrap(),
                routes: routes.iter().filter(|route| **route != routes[n]).cloned().collect(),
                secret: keys.route_secret().unwrap(),
                tls: None,
            };
            n += 1;
            Self::new(format!("n{n}"), dir, keys.clone(), Some(cluster))
        });
        for (node, host) in nodes.iter_mut().zip(hosts) {
            if let Some((host, store)) = host {
                node.address = (host.address, 4222).into();
                node.websocket = (host.address, 8443).into();
                node.host = Some(host);
                node.store = store;
            }
        }
        for node in &mut nodes {
            node.restart().await;
        }
        nodes
    }

    fn new(name: String, dir: TempDir, keys: Keys, cluster: Option<Cluster>) -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let origins = vec![ORIGIN.parse().unwrap()];
        let store = dir.path().join("jetstream");
        Self {
            child: None,
            dir,
            store,
            name,
            cluster,
            host: None,
            keys,
            address: any,
            websocket: any,
            origins,
            sync: Sync::Always,
        }
    }

    /// Starts it again, at the same addresses, with the same data.
    pub async fn restart(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let ports = self.ports();
        std::fs::create_dir_all(&ports).unwrap();
        let path = self.configure();
        let binary = NatsServer::find(Some(&nats_server())).unwrap();
        let mut command = match &self.host {
            Some(host) => host.command(binary.path()),
            None => Command::new(binary.path()),
        };
        let child = command
            .arg("-c")
            .arg(path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = child.id();
        self.child = Some(child);
        let addresses =
            eventually("nats-server listens", async || ports::addresses(&ports, pid).unwrap()).await;
        self.address = addresses.clients;
        self.websocket = addresses.websocket.expect("it listens for browsers");
    }

    /// Writes its configuration.
    fn configure(&self) -> PathBuf {
        let mut config = Server::new(&self.name, self.address, self.store());
        let origins = self.origins.clone();
        config.websocket = Some(WebSocket { listen: self.websocket, tls: None, origins });
        config.cluster = self.cluster.clone();
        config.sync = self.sync;
        config.ports_dir = Some(self.ports());
        config.log_file = Some(self.log());
        let path = self.dir.path().join("server.conf");
        std::fs::write(&path, config.render(&self.keys).unwrap()).unwrap();
        path
    }

    /// Goes by the keys that are there now.
    pub fn take_keys(&mut self) {
        self.keys = Keys::load(self.keys.dir()).unwrap();
    }

    /// Writes the configuration anew, and has it read while everybody is connected.
    pub async fn reload(&mut self) {
        self.configure();
        let words = || std::fs::read_to_string(self.log()).unwrap();
        let reloads = || words().matches("Reloaded server configuration").count();
        let before = reloads();
        self.signal(Signal::SIGHUP);
        eventually("nats-server has read its configuration", async || {
            assert!(!words().contains("Failed to reload"), "{}", words());
            (reloads() > before).then_some(())
        })
        .await;
    }

    fn ports(&self) -> PathBuf {
        self.dir.path().join("ports")
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Where its streams are.
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// Loses all that it stored; it mustn't run.
    pub fn forget(&self) {
        assert!(self.child.is_none(), "it runs");
        std::fs::remove_dir_all(self.store()).unwrap();
    }

    /// Sends a signal, such as SIGSTOP.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid() as i32), signal).unwrap();
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// A connection with the key of this role, and so with its permissions.
    pub async fn connect_as(&self, role: Role) -> Client {
        self.connect(&self.keys.seed_file(role), &role.inbox_prefix()).await
    }

    /// How many messages the services' connections of this name were sent so far.
    pub async fn sent_to(&self, name: &str) -> u64 {
        let system = self.connect(&self.keys.seed_file(kez_nats::Owner::System), "_INBOX").await;
        let answer = system.request("$SYS.REQ.SERVER.PING.CONNZ", "{}".into()).await.unwrap();
        let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
        let all = answer["data"]["connections"].as_array().unwrap_or_else(|| panic!("{answer}"));
        all.iter().filter(|one| one["name"] == name).map(|one| one["out_msgs"].as_u64().unwrap()).sum()
    }

    /// How many subscriptions of the services there are to this very subject.
    pub async fn subscribers(&self, subject: &str) -> usize {
        let system = self.connect(&self.keys.seed_file(kez_nats::Owner::System), "_INBOX").await;
        let request = json!({"acc": "KEZ", "subscriptions": true, "limit": 100_000}).to_string();
        let answer = system.request("$SYS.REQ.SERVER.PING.SUBSZ", request.into()).await.unwrap();
        let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
        let all = answer["data"]["subscriptions_list"].as_array().unwrap_or_else(|| panic!("{answer}"));
        all.iter().filter(|one| one["subject"] == subject).count()
    }

    async fn connect(&self, seed: &Path, inbox_prefix: &str) -> Client {
        let seed = std::fs::read_to_string(seed).unwrap().trim().to_owned();
        let options = ConnectOptions::with_nkey(seed).custom_inbox_prefix(inbox_prefix);
        within("NATS lets a service in", options.connect(self.url())).await.unwrap()
    }

    /// Its address as services take it.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Its address as browsers take it.
    pub fn ws_url(&self) -> String {
        format!("ws://{}", self.websocket)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}
