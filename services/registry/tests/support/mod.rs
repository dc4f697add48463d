//! A real nats-server with the registry's own permissions, instances of the registry on it, and somebody who asks.

#![allow(dead_code, reason = "not every test uses all of it")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use async_nats::{Client, ConnectOptions};
use bytes::Bytes;
use kez_kit::{Failure, Life, nats::NatsArgs, task};
use kez_proto::{Problem, Timestamp, headers, registry::Record, subjects::Role};
use kez_registry::Config;
use time::OffsetDateTime;
use tokio::task::JoinHandle;

mod person;

pub use person::Person;

/// Whatever is waited for comes within this time, or the test fails.
pub const LIMIT: Duration = Duration::from_secs(20);

/// A nats-server with JetStream; without credentials one is the registry there, on both of its connections, with `asker` its user.
pub struct Nats {
    child: Child,
    folder: tempfile::TempDir,
    pub url: String,
}

impl Nats {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut role = Role::Registry.permissions(16);
        let clients = Role::RegistryClients.permissions(16);
        role.publish.extend(clients.publish);
        role.subscribe.extend(clients.subscribe);
        let permissions = serde_json::json!({"publish": role.publish, "subscribe": role.subscribe, "allow_responses": { "max": role.answers, "expires": "5s" }});
        let config = format!(
            r#"listen: "127.0.0.1:-1", ports_file_dir: {ports:?}, jetstream {{ store_dir: {store:?} }}
            accounts {{ KEZ {{ jetstream: enabled, users: [
                {{ user: registry, password: x, permissions: {permissions} }}, {{ user: asker, password: x }}
            ] }} }}
            no_auth_user: registry"#,
            ports = folder.path(),
            store = folder.path().join("store"),
        );
        fs::write(folder.path().join("nats.conf"), config).unwrap();
        let (child, url) = launch(folder.path());
        Self { child, folder, url }
    }

    /// Kills the server; its store and its port stay.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again where it was.
    pub fn restart(&mut self) {
        let file = self.folder.path().join("nats.conf");
        let port = self.url.rsplit(':').next().unwrap();
        let config = fs::read_to_string(&file).unwrap().replace("127.0.0.1:-1", &format!("127.0.0.1:{port}"));
        fs::write(&file, config).unwrap();
        let (child, url) = launch(self.folder.path());
        assert_eq!(url, self.url);
        self.child = child;
    }

    /// A fresh index folder's path.
    pub fn index(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Somebody who may do anything.
    pub async fn asker(&self) -> Client {
        ConnectOptions::with_user_and_password("asker".into(), "x".into()).connect(&self.url).await.unwrap()
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn launch(folder: &Path) -> (Child, String) {
    let log = fs::File::create(folder.join("nats.log")).unwrap();
    let mut child = Command::new(binary())
        .arg("-c")
        .arg(folder.join("nats.conf"))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("nats-server doesn't start");
    let ports = folder.join(format!("nats-server_{}.ports", child.id()));
    let begun = Instant::now();
    loop {
        if let Some(ports) =
            fs::read(&ports).ok().and_then(|b| serde_json::from_slice::<serde_json::Value>(&b).ok())
        {
            return (child, ports["nats"][0].as_str().unwrap().to_owned());
        }
        let ended = child.try_wait().unwrap();
        if ended.is_some() || begun.elapsed() > LIMIT {
            panic!(
                "nats-server isn't there: {ended:?} {}",
                fs::read_to_string(folder.join("nats.log")).unwrap()
            );
        }
        std::thread::yield_now();
    }
}

/// `$KEZ_NATS_SERVER`, else what `make test` fetched.
fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("KEZ_NATS_SERVER") {
        return named.into();
    }
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools");
    let fetched =
        fs::read_dir(tools).into_iter().flatten().flatten().map(|entry| entry.path().join("nats-server"));
    fetched
        .filter(|path| path.is_file())
        .max()
        .expect("no nats-server: run `make test`, or set KEZ_NATS_SERVER")
}

/// A running instance.
pub struct Registry {
    pub life: Life,
    run: JoinHandle<Option<Result<(), Failure>>>,
}

impl Registry {
    pub fn spawn(config: Config, url: &str) -> Self {
        let life = Life::default();
        let nats =
            NatsArgs { nats_url: vec![url.into()], nats_nkey: None, nats_ca: None, nats_certificate: None };
        let part = life.clone();
        let run =
            task::spawn(
                "registry",
                async move { kez_registry::run(config, &nats, &nats, part, LIMIT).await },
            );
        Self { life, run }
    }

    /// An instance that is ready.
    pub async fn start(config: Config, url: &str) -> Self {
        let registry = Self::spawn(config, url);
        tokio::time::timeout(LIMIT, registry.life.ready.wait()).await.expect("the registry isn't ready");
        registry
    }

    pub async fn stop(self) {
        self.life.shutdown.cancel();
        self.end().await.unwrap();
    }

    pub async fn end(self) -> Result<(), Failure> {
        tokio::time::timeout(LIMIT, self.run)
            .await
            .expect("the registry doesn't end")
            .unwrap()
            .expect("the registry panicked")
    }
}

/// The configuration of an instance with this index.
pub fn config(index: PathBuf) -> Config {
    let sig_server_url = "http://localhost:7878".into();
    Config {
        server: "kez.lat".parse().unwrap(),
        sig_server_url,
        index,
        partitions: None,
        replicas: 1,
        operator: None,
        limit_client_requests: 0,
    }
}

/// A registration, signed now.
pub fn registration(person: &Person) -> Vec<u8> {
    person.registration_at(Timestamp::from(OffsetDateTime::now_utc()))
}

/// Asks the registry.
pub async fn ask(
    client: &Client,
    subject: &'static str,
    request: impl Into<Bytes>,
) -> Result<Record, Problem> {
    let answer = client.request(subject, request.into()).await.unwrap_or_else(|e| panic!("{subject}: {e}"));
    match answer.headers.as_ref().and_then(|h| h.get_last(headers::NATS_SERVICE_ERROR)) {
        Some(text) => Err(Problem::from_service_error(text.as_str())),
        None => Ok(serde_json::from_slice(&answer.payload).unwrap()),
    }
}

/// Tries until it gives something.
pub async fn eventually<T>(what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(done) = attempt().await {
            return done;
        }
        assert!(begun.elapsed() < LIMIT, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
