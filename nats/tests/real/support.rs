use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Duration,
};

use async_nats::{Client, ConnectOptions, Event, ServerError};
use kez_nats::{Keys, NatsServer, Server as Config, config::WebSocket, ports};
use kez_proto::subjects::Role;
use tempfile::TempDir;
use tokio::{sync::mpsc, time::timeout};

/// More than any wait here takes on a loaded machine; reached only when a test fails.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// The nats-server that `make test` names, or that an earlier one left in `.tools`.
pub fn nats_server() -> NatsServer {
    let kept = || {
        let folders = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools")).ok()?;
        let mut found: Vec<_> = folders
            .filter_map(|f| Some(f.ok()?.path().join("nats-server")))
            .filter(|p| p.is_file())
            .collect();
        found.sort();
        found.pop()
    };
    let path = env::var_os("KEZ_NATS_SERVER")
        .map(PathBuf::from)
        .or_else(kept)
        .expect("there is no nats-server for tests: run `make test`");
    NatsServer::find(Some(&path)).unwrap()
}

/// The web page that every [`Server`] takes.
pub const ORIGIN: &str = "https://web.kez.test";

/// A running nats-server with fresh keys. It dies with this value.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    pub websocket: SocketAddr,
    pub keys: Keys,
    _dir: TempDir,
}

impl Server {
    pub async fn start() -> Self {
        Self::start_with(|conf| conf).await
    }

    /// Starts on a configuration whose text the test changed.
    pub async fn start_with(change: impl FnOnce(String) -> String) -> Self {
        Self::start_as(|_| {}, change).await
    }

    /// Starts on settings and a text that the test changed.
    pub async fn start_as(set: impl FnOnce(&mut Config), change: impl FnOnce(String) -> String) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::load_or_create(&dir.path().join("keys")).unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let mut config = Config::new("test", any, dir.path().join("data"));
        let origins = vec![ORIGIN.parse().unwrap()];
        config.websocket = Some(WebSocket { listen: any, tls: None, origins });
        config.ports_dir = Some(dir.path().into());
        config.log_file = Some(dir.path().join("log"));
        set(&mut config);
        Self::start_on(dir, keys, &config, change).await
    }

    /// Starts with these settings, which name `dir` for ports and log.
    pub async fn start_on(
        dir: TempDir,
        keys: Keys,
        config: &Config,
        change: impl FnOnce(String) -> String,
    ) -> Self {
        let conf = dir.path().join("nats.conf");
        fs::write(&conf, change(config.render(&keys).unwrap())).unwrap();
        let binary = nats_server();
        binary.check(&conf).unwrap();
        let mut child = Command::new(binary.path()).arg("-c").arg(&conf).spawn().unwrap();
        let log = config.log_file.clone().unwrap();
        let addresses = timeout(DEADLINE, async {
            loop {
                if let Some(addresses) = ports::addresses(dir.path(), child.id()).unwrap() {
                    return addresses;
                }
                let log = || fs::read_to_string(&log).unwrap_or_default();
                assert!(child.try_wait().unwrap().is_none(), "nats-server ended: {}", log());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        let addresses = addresses.await.expect("nats-server never said where it listens");
        let websocket = addresses.websocket.unwrap();
        Self { child, address: addresses.clients, websocket, keys, _dir: dir }
    }

    pub async fn connect(&self, options: ConnectOptions) -> Result<Client, async_nats::ConnectError> {
        options.connect(self.address.to_string()).await
    }

    /// A user with this seed, and what the server refuses it.
    pub async fn user(&self, seed: &str, inbox_prefix: &str) -> User {
        let (sender, refusals) = mpsc::unbounded_channel();
        let options = ConnectOptions::with_nkey(seed.trim_end().into())
            .custom_inbox_prefix(inbox_prefix)
            .event_callback(move |event| {
                if let Event::ServerError(ServerError::Other(words)) = event {
                    sender.send(words).ok();
                }
                async {}
            });
        User { client: self.connect(options).await.unwrap(), refusals }
    }

    pub async fn role(&self, role: Role) -> User {
        let seed = fs::read_to_string(self.keys.seed_file(role)).unwrap();
        self.user(&seed, &role.inbox_prefix()).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub struct User {
    pub client: Client,
    refusals: mpsc::UnboundedReceiver<String>,
}

/// Nobody may publish this one; the server's refusal of it ends the wait for refusals of what was tried before.
pub const FORBIDDEN: &str = "nobody.may";

impl User {
    pub async fn may_publish(&mut self, subject: &str) -> bool {
        self.client.publish(subject.to_owned(), "".into()).await.unwrap();
        self.refusals().await.is_empty()
    }

    pub async fn may_subscribe(&mut self, subject: &str) -> bool {
        let _subscriber = self.client.subscribe(subject.to_owned()).await.unwrap();
        self.refusals().await.is_empty()
    }

    /// What the server refused since it was last asked.
    pub async fn refusals(&mut self) -> Vec<String> {
        self.client.publish(FORBIDDEN, "".into()).await.unwrap();
        self.client.flush().await.unwrap();
        let mut refusals = Vec::new();
        loop {
            let words = self.refusal().await;
            if words.contains(FORBIDDEN) {
                return refusals;
            }
            refusals.push(words);
        }
    }

    /// What the server refuses next.
    pub async fn refusal(&mut self) -> String {
        timeout(DEADLINE, self.refusals.recv()).await.expect("the server refused nothing").unwrap()
    }
}
