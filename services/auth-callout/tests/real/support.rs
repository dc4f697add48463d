//! A nats-server of a deployment, whoever answers for the registry there, callouts, and people.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::{self, Child},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_nats::{Auth, Client, ConnectError, ConnectOptions, Event};
use clap::{Args, Command, FromArgMatches};
use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer, SigningKey};
use kez_kit::{
    Life, Nats,
    nats::NatsArgs,
    service::{self, Call, Service},
};
use kez_nats::{Keys, NatsServer, Owner, Server, ports};
use kez_proto::{
    Code, Handle, Primary, Problem, ServerName, Timestamp,
    envelope::ED25519_JCS,
    json, nats_login,
    registry::{Binding, ByPrimary, Lookup, Record},
    subjects::{self, Role},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use nkeys::{KeyPair, KeyPairType};
use serde::Serialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::sync::mpsc;

/// More than any wait here takes on a loaded machine; reached only when a test fails.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Tries until it gives something.
pub async fn eventually<T>(what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(done) = attempt().await {
            return done;
        }
        assert!(begun.elapsed() < DEADLINE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The nats-server that `make test` names, or that an earlier one left in `.tools`.
fn nats_server() -> NatsServer {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools");
    let kept = || {
        let found = fs::read_dir(tools).ok()?.flatten().map(|f| f.path().join("nats-server"));
        found.filter(|p| p.is_file()).max()
    };
    let path = std::env::var_os("KEZ_NATS_SERVER").map(PathBuf::from).or_else(kept);
    NatsServer::find(Some(&path.expect("there is no nats-server for tests: run `make test`"))).unwrap()
}

/// A nats-server with fresh keys, and a registry's user who answers for these people. It dies with this value.
pub struct World {
    child: Child,
    pub url: String,
    pub keys: Keys,
    pub dir: TempDir,
    pub people: People,
    _registry: Option<Service>,
}

/// Who has which handle, as this world's registry says. Anybody else is unknown.
#[derive(Clone, Default)]
pub struct People(Arc<Mutex<HashMap<Handle, (Primary, Timestamp)>>>);

impl People {
    /// Binds a handle, whoever had it before.
    pub fn bind(&self, handle: &str, person: &Person) {
        self.0.lock().unwrap().insert(handle.parse().unwrap(), (person.primary(), now()));
    }

    fn find(&self, wanted: impl Fn(&Handle, &Primary) -> bool) -> Option<Record> {
        let people = self.0.lock().unwrap();
        let (handle, (primary, registered_at)) = people.iter().find(|(h, (p, _))| wanted(h, p))?;
        let (handle, primary, registered_at) = (handle.clone(), *primary, *registered_at);
        let binding =
            Binding { handle, primary, registered_at, signed_at: registered_at, digest: String::new() };
        Some(Record::new(&binding, &server_name(), "http://localhost"))
    }
}

pub fn server_name() -> ServerName {
    "kez.lat".parse().unwrap()
}

pub fn now() -> Timestamp {
    OffsetDateTime::now_utc().into()
}

impl World {
    pub async fn start() -> Self {
        let mut world = Self::without_registry().await;
        world._registry = Some(world.registry().await);
        world
    }

    pub async fn without_registry() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::load_or_create(&dir.path().join("keys")).unwrap();
        let mut server = Server::new("test", "127.0.0.1:0".parse().unwrap(), dir.path().join("data"));
        server.ports_dir = Some(dir.path().into());
        let log = dir.path().join("nats.log");
        server.log_file = Some(log.clone());
        let conf = dir.path().join("nats.conf");
        fs::write(&conf, server.render(&keys).unwrap()).unwrap();
        let mut child = process::Command::new(nats_server().path()).arg("-c").arg(&conf).spawn().unwrap();
        let url = eventually("nats-server", async || {
            let log = || fs::read_to_string(&log).unwrap_or_default();
            assert!(child.try_wait().unwrap().is_none(), "nats-server ended: {}", log());
            ports::addresses(dir.path(), child.id()).unwrap().map(|a| format!("nats://{}", a.clients))
        });
        let url = url.await;
        Self { child, url, keys, dir, people: People::default(), _registry: None }
    }

    /// Somebody with the registry's key who answers for these people.
    pub async fn registry(&self) -> Service {
        let nats = self.role(Role::Registry).await;
        let service = Service::start(&nats, "registry", "for tests").await.unwrap();
        let people = self.people.clone();
        let by_primary = move |call: Call| {
            let people = people.clone();
            async move {
                let asked: ByPrimary = service::decode(&call.payload)?;
                let record = people.find(|_, primary| primary.to_string() == asked.primary);
                service::encode(&record.ok_or(Problem::from(Code::UnknownPrimary))?)
            }
        };
        service.endpoint(subjects::REGISTRY_BY_PRIMARY, by_primary).await.unwrap();
        let people = self.people.clone();
        let by_handle = move |call: Call| {
            let people = people.clone();
            async move {
                let asked: Lookup = service::decode(&call.payload)?;
                let record = people.find(|handle, _| handle.as_str() == asked.handle);
                service::encode(&record.ok_or(Problem::from(Code::UnknownHandle))?)
            }
        };
        service.endpoint(subjects::REGISTRY_LOOKUP, by_handle).await.unwrap();
        nats.client.flush().await.unwrap();
        service
    }

    /// A service's connection.
    pub async fn role(&self, role: Role) -> Nats {
        let seed = self.keys.seed_file(role);
        let words = ["test", "--nats-url", &self.url, "--nats-nkey", seed.to_str().unwrap()];
        let args =
            NatsArgs::from_arg_matches(&NatsArgs::augment_args(Command::new("test")).get_matches_from(words));
        Nats::connect(&args.unwrap(), role.name(), &role.inbox_prefix(), 1024, &Life::default())
            .await
            .unwrap()
    }

    /// The operator's connection to the system account.
    pub async fn operator(&self) -> Client {
        let seed = fs::read_to_string(self.keys.seed_file(Owner::System)).unwrap();
        ConnectOptions::with_nkey(seed.trim_end().into()).connect(&self.url).await.unwrap()
    }

    /// The users' connections, as nats-server tells of them.
    pub async fn connections(&self) -> Vec<Value> {
        let asked = r#"{"auth":true,"acc":"CHAT","limit":5000}"#;
        let answer = self.operator().await.request("$SYS.REQ.SERVER.PING.CONNZ", asked.into()).await.unwrap();
        let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
        answer["data"]["connections"].as_array().unwrap().clone()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A callout process. It dies with this value.
pub struct Callout {
    pub child: Child,
    log: PathBuf,
    pub admin: String,
}

impl Callout {
    /// One that is ready.
    pub async fn start(world: &World, name: &str, arguments: &[&str]) -> Self {
        let (log, ready) = (world.dir.path().join(format!("{name}.log")), world.dir.path().join(name));
        let mut child = process::Command::new(env!("CARGO_BIN_EXE_kez-auth-callout"))
            .args(["--server", "kez.lat", "--log-format", "json", "--nats-url", &world.url])
            .arg("--callout-keys")
            .arg(world.keys.dir())
            .arg("--nats-nkey")
            .arg(world.keys.seed_file(Role::AuthCallout))
            .arg("--ready-file")
            .arg(&ready)
            .args(arguments)
            .env("RUST_LOG", "info,async_nats=off,audit=debug,kez_auth_callout=debug")
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let admin = eventually("a callout that is ready", async || {
            let log = || fs::read_to_string(&log).unwrap_or_default();
            assert!(child.try_wait().unwrap().is_none(), "the callout ended: {}", log());
            let ready: Value = serde_json::from_slice(&fs::read(&ready).ok()?).unwrap();
            Some(format!("http://{}", ready["admin"].as_str().unwrap()))
        });
        let admin = admin.await;
        Self { child, log, admin }
    }

    /// A client for its admin listener.
    pub fn http(&self) -> reqwest::Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::new()
    }

    /// Its counters.
    pub async fn metrics(&self) -> String {
        self.http().get(format!("{}/metrics", self.admin)).send().await.unwrap().text().await.unwrap()
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// The audit log's lines with a reason.
    pub fn audit(&self) -> Vec<Value> {
        let lines = self
            .log()
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .collect::<Vec<_>>();
        lines.into_iter().filter(|l| l["target"] == "audit" && l["fields"]["reason"].is_string()).collect()
    }

    /// Waits until the audit log has this reason.
    pub async fn until_audit(&self, reason: &str) {
        eventually(reason, async || self.reasons().iter().any(|r| r == reason).then_some(())).await;
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// The reasons of the audit log, in order.
    pub fn reasons(&self) -> Vec<String> {
        self.audit().iter().map(|line| line["fields"]["reason"].as_str().unwrap().into()).collect()
    }
}

impl Drop for Callout {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Somebody with a key.
#[derive(Clone)]
pub struct Person {
    pub key: SigningKey,
}

impl Person {
    pub fn new(seed: u8) -> Self {
        Self { key: SigningKey::from_bytes(&[seed; 32]) }
    }

    pub fn primary(&self) -> Primary {
        Primary::from_bytes(self.key.verifying_key().as_bytes()).unwrap()
    }

    /// The same key as NATS writes it.
    pub fn pair(&self) -> KeyPair {
        KeyPair::new_from_raw(KeyPairType::User, self.key.to_bytes()).unwrap()
    }

    /// An envelope that this key signed.
    pub fn envelope(&self, tag: &str, payload: impl Serialize) -> Vec<u8> {
        let payload = serde_json::to_value(payload).unwrap();
        let sig = HEXLOWER.encode(&self.key.sign(&json::canonical(&payload).unwrap()).to_bytes());
        let signature = json!({"alg": ED25519_JCS, "key": self.primary(), "sig": sig});
        json!({"kez": tag, "payload": payload, "signature": signature}).to_string().into_bytes()
    }

    /// Connects as our own clients do.
    pub async fn connect(&self, world: &World) -> Result<User, ConnectError> {
        self.connect_as(world, |_| {}).await
    }

    /// The same, with something changed about what is sent.
    pub async fn connect_as(
        &self,
        world: &World,
        change: impl Fn(&mut Auth) + Send + Sync + 'static,
    ) -> Result<User, ConnectError> {
        self.connect_signing(world, |nonce| nats_login::text(&server_name(), nonce), change).await
    }

    /// The same, with another text signed.
    pub async fn connect_signing(
        &self,
        world: &World,
        text: impl Fn(&str) -> String + Send + Sync + 'static,
        change: impl Fn(&mut Auth) + Send + Sync + 'static,
    ) -> Result<User, ConnectError> {
        let (key, nkey) = (self.key.clone(), self.pair().public_key());
        let shared = Arc::new((text, change));
        let options = ConnectOptions::with_auth_callback(move |nonce: Vec<u8>| {
            let (key, nkey, shared) = (key.clone(), nkey.clone(), shared.clone());
            async move {
                let mut auth = Auth::new();
                let text = shared.0(std::str::from_utf8(&nonce).unwrap());
                auth.nkey = Some(nkey);
                auth.signature = Some(key.sign(text.as_bytes()).to_bytes().to_vec());
                shared.1(&mut auth);
                Ok(auth)
            }
        });
        let prefix = subjects::client_inbox_prefix(&self.primary());
        User::connect(options.custom_inbox_prefix(prefix), world).await
    }
}

/// A person's connection, and what becomes of it.
pub struct User {
    pub client: Client,
    pub events: mpsc::UnboundedReceiver<Event>,
}

impl User {
    pub async fn connect(options: ConnectOptions, world: &World) -> Result<Self, ConnectError> {
        let (sender, events) = mpsc::unbounded_channel();
        let options = options.event_callback(move |event| {
            sender.send(event).ok();
            async {}
        });
        let client = options.connect(&world.url).await?;
        Ok(Self { client, events })
    }

    /// What the server refused since it was last asked.
    pub async fn refusals(&mut self) -> Vec<String> {
        const FORBIDDEN: &str = "nobody.may";
        self.client.publish(FORBIDDEN, "".into()).await.unwrap();
        self.client.flush().await.unwrap();
        let mut refusals = Vec::new();
        loop {
            let refusal = self.until(|event| matches!(event, Event::ServerError(_))).await.to_string();
            if refusal.contains(FORBIDDEN) {
                return refusals;
            }
            refusals.push(refusal);
        }
    }

    /// Waits for an event.
    pub async fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        let wait = async {
            loop {
                let event = self.events.recv().await.expect("the connection ended");
                if wanted(&event) {
                    return event;
                }
            }
        };
        tokio::time::timeout(DEADLINE, wait).await.expect("the event never came")
    }
}
