//! A nats-server that is started on somebody's configuration, for a moment, to see what it does. What would touch the running system is replaced:
//! ports, the folder of data, the log, the cluster. So is TLS for clients, whose certificate is for another name than this machine's own address.

use std::{
    fs, io,
    net::SocketAddr,
    process::Stdio,
    time::{Duration, Instant},
};

use async_nats::{Client, ConnectOptions, Event, ServerError};
use data_encoding::BASE64URL_NOPAD;
use kez_nats::{Keys, NatsServer, Owner, ports};
use kez_proto::subjects::{self, Permissions, Role};
use nkeys::KeyPair;
use reqwest::{StatusCode, header};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
    sync::mpsc,
    time::{sleep, timeout},
};

/// More than each step takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(20);
/// Nobody may publish this; its refusal comes after that of all that was tried before.
const FORBIDDEN: &str = "kez.check.forbidden";
/// A site that nobody's web client is on (RFC 6761).
const FOREIGN: &str = "https://foreign.invalid";

type Outcome = (&'static str, Result<String, String>);

/// Starts it and tries who comes in and what they may do.
pub async fn run(binary: &NatsServer, conf: &Value, keys: &Keys) -> Vec<Outcome> {
    let trial = match Trial::start(binary, conf).await {
        Ok(trial) => trial,
        Err(words) => return vec![("it starts", Err(words))],
    };
    let mut outcomes = vec![("it starts", Ok(format!("at {}, for this trial", trial.clients)))];
    outcomes
        .push(("each service comes in with its key, and can do what it needs", services(&trial, keys).await));
    outcomes.push((
        "whoever has no key of these waits for the callout, and is refused without one",
        strangers(&trial).await,
    ));
    if let Some(address) = trial.websocket {
        outcomes.push((
            "pages of the allowed sites open a WebSocket, those of others don't",
            pages(conf, address).await,
        ));
    }
    outcomes
}

/// It ends with this value.
struct Trial {
    clients: SocketAddr,
    websocket: Option<SocketAddr>,
    _child: Child,
    _dir: TempDir,
}

impl Trial {
    async fn start(binary: &NatsServer, conf: &Value) -> Result<Self, String> {
        let words = |e: &dyn std::fmt::Display| e.to_string();
        let dir = tempfile::tempdir().map_err(|e| words(&e))?;
        let (file, log) = (dir.path().join("trial.conf"), dir.path().join("log"));
        fs::write(&file, elsewhere(conf, &dir).to_string()).map_err(|e| words(&e))?;
        let mut child = Command::new(binary.path())
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| words(&e))?;
        let begun = Instant::now();
        while begun.elapsed() < DEADLINE {
            let said = child.id().and_then(|pid| ports::addresses(dir.path(), pid).ok()?);
            if let Some(said) = said {
                return Ok(Self {
                    clients: said.clients,
                    websocket: said.websocket,
                    _child: child,
                    _dir: dir,
                });
            }
            if child.try_wait().map_err(|e| words(&e))?.is_some() {
                let log = fs::read_to_string(log).unwrap_or_default();
                return Err(log.lines().last().unwrap_or("it ended without a word").to_owned());
            }
            sleep(POLL).await;
        }
        Err(format!("it doesn't listen after {} s", DEADLINE.as_secs()))
    }
}

/// The same configuration, away from everything that is in use.
fn elsewhere(conf: &Value, dir: &TempDir) -> Value {
    let mut conf = conf.as_object().cloned().unwrap_or_default();
    let dir = dir.path().display();
    let ours = [
        ("host", json!("127.0.0.1")),
        ("port", json!(-1)),
        ("log_file", json!(format!("{dir}/log"))),
        ("ports_file_dir", json!(dir.to_string())),
    ];
    let others = [
        "net",
        "listen",
        "client_advertise",
        "tls",
        "logfile",
        "syslog",
        "remote_syslog",
        "pid_file",
        "pidfile",
        "cluster",
        "http",
        "https",
        "http_port",
        "https_port",
        "monitor_port",
        "store_dir",
        "storedir",
    ];
    remove(&mut conf, &others);
    set(&mut conf, ours);
    for (key, block) in &mut conf {
        let Some(block) = block.as_object_mut() else { continue };
        match key.to_ascii_lowercase().as_str() {
            "websocket" | "ws" => {
                remove(block, &["net", "listen", "advertise"]);
                set(block, [("host", json!("127.0.0.1")), ("port", json!(-1))]);
            }
            "jetstream" => {
                remove(block, &["storedir"]);
                set(block, [("store_dir", json!(format!("{dir}/jetstream")))]);
            }
            _ => {}
        }
    }
    Value::Object(conf)
}

fn remove(map: &mut Map<String, Value>, names: &[&str]) {
    map.retain(|key, _| !names.iter().any(|name| key.eq_ignore_ascii_case(name)));
}

fn set<const N: usize>(map: &mut Map<String, Value>, values: [(&str, Value); N]) {
    remove(map, &values.each_ref().map(|(name, _)| *name));
    map.extend(values.map(|(name, value)| (name.to_owned(), value)));
}

/// Each key logs in, and its owner tries all that it needs.
async fn services(trial: &Trial, keys: &Keys) -> Result<String, String> {
    let fanout = |permissions: &mut Permissions| {
        // How many partitions there are was looked at in the file; one stands for all.
        permissions.publish.retain(|s| !s.contains("KEZ_INBOX_"));
        permissions.publish.push(subjects::direct_get(&subjects::inbox_stream(0)));
    };
    let mut who = vec![
        (Owner::CalloutAuth, "_INBOX".to_owned(), subjects::callout_permissions()),
        (Owner::CalloutSystem, Role::AuthCallout.inbox_prefix(), subjects::callout_system_permissions()),
    ];
    for role in Role::ALL {
        let mut permissions = role.permissions(1);
        if role == Role::Fanout {
            fanout(&mut permissions);
        }
        who.push((role.into(), role.inbox_prefix(), permissions));
    }
    for (owner, prefix, permissions) in who {
        let named = |words: String| format!("{}: {words}", owner.name());
        let user = User::connect(trial, keys, owner, &prefix).await.map_err(named)?;
        user.tries(&permissions).await.map_err(named)?;
    }
    let system =
        User::connect(trial, keys, Owner::System, "_INBOX").await.map_err(|e| format!("sys: {e}"))?;
    match timeout(DEADLINE, system.client.request("$SYS.REQ.SERVER.PING.VARZ", "".into())).await {
        Ok(Ok(_)) => Ok(String::new()),
        _ => Err("sys: the system account doesn't answer".into()),
    }
}

struct User {
    client: Client,
    refusals: mpsc::UnboundedReceiver<String>,
}

impl User {
    async fn connect(trial: &Trial, keys: &Keys, owner: Owner, prefix: &str) -> Result<Self, String> {
        let seed = fs::read_to_string(keys.seed_file(owner)).map_err(|e| e.to_string())?;
        let (sender, refusals) = mpsc::unbounded_channel();
        let options = ConnectOptions::with_nkey(seed.trim().to_owned())
            .custom_inbox_prefix(prefix)
            .event_callback(move |event| {
                if let Event::ServerError(ServerError::Other(words)) = event {
                    let _ = sender.send(words);
                }
                std::future::ready(())
            });
        match timeout(DEADLINE, options.connect(trial.clients.to_string())).await {
            Ok(Ok(client)) => Ok(Self { client, refusals }),
            Ok(Err(error)) => Err(format!("can't log in: {error}")),
            Err(_) => Err("the login isn't answered".into()),
        }
    }

    async fn tries(mut self, permissions: &Permissions) -> Result<(), String> {
        let mut kept = vec![];
        for subject in &permissions.subscribe {
            kept.push(self.client.subscribe(subject.clone()).await.map_err(|e| e.to_string())?);
        }
        for subject in &permissions.publish {
            let subject = subject.replace('*', "0");
            self.client.publish(subject, "".into()).await.map_err(|e| e.to_string())?;
        }
        self.client.publish(FORBIDDEN, "".into()).await.map_err(|e| e.to_string())?;
        self.client.flush().await.map_err(|e| e.to_string())?;
        match timeout(DEADLINE, self.refusals.recv()).await {
            Ok(Some(words)) if words.contains(FORBIDDEN) => Ok(()),
            Ok(Some(words)) => Err(words),
            Ok(None) => Err("the connection was lost".into()),
            Err(_) => Err(format!("may publish {FORBIDDEN}, and so whatever it likes")),
        }
    }
}

/// No credentials, a password, and a key that nobody knows: as long as no callout answers, all are refused.
async fn strangers(trial: &Trial) -> Result<String, String> {
    let key = KeyPair::new_user();
    let tries = [
        ("somebody without credentials", json!({}), None),
        ("somebody with a password", json!({"user": "kez", "pass": "kez"}), None),
        ("somebody with an unknown key", json!({"nkey": key.public_key()}), Some(&key)),
    ];
    let tries = tries.map(|(who, credentials, key)| async move {
        match timeout(DEADLINE, comes_in(trial.clients, credentials, key)).await {
            Ok(Ok(false)) => Ok(()),
            Ok(Ok(true)) => Err(format!("{who} came in")),
            Ok(Err(e)) => Err(format!("{who}: {e}")),
            Err(_) => Err(format!("{who} got no answer")),
        }
    });
    futures_util::future::try_join_all(tries).await.map(|_| String::new())
}

/// Whether these credentials are let in. Told by the protocol itself: the client library takes the server's first ping for a welcome.
async fn comes_in(server: SocketAddr, credentials: Value, key: Option<&KeyPair>) -> io::Result<bool> {
    let (reader, mut writer) = TcpStream::connect(server).await?.into_split();
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some(info) = line.strip_prefix("INFO ") {
            let info: Value = serde_json::from_str(info)?;
            let mut connect =
                json!({"verbose": false, "pedantic": false, "lang": "kez", "version": "0", "protocol": 1});
            connect
                .as_object_mut()
                .into_iter()
                .for_each(|c| c.extend(credentials.as_object().cloned().unwrap_or_default()));
            if let Some(key) = key {
                let nonce = info["nonce"].as_str().unwrap_or_default();
                let signature = key.sign(nonce.as_bytes()).map_err(io::Error::other)?;
                connect["sig"] = BASE64URL_NOPAD.encode(&signature).into();
            }
            writer.write_all(format!("CONNECT {connect}\r\nPING\r\n").as_bytes()).await?;
        } else if line.starts_with("-ERR") {
            return Ok(false);
        } else if line.starts_with("PONG") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The upgrade of a page of this site.
async fn pages(conf: &Value, address: SocketAddr) -> Result<String, String> {
    // A second installation is refused, and the first is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let websocket = conf.as_object().into_iter().flatten();
    let websocket =
        websocket.filter(|(key, _)| ["websocket", "ws"].contains(&key.to_ascii_lowercase().as_str()));
    let block = websocket.map(|(_, block)| block).next().unwrap_or(&Value::Null);
    let scheme = if block.get("tls").is_some() { "https" } else { "http" };
    // The certificate is for another name than this machine's own address.
    let client = reqwest::Client::builder()
        .no_proxy()
        .http1_only()
        .tls_danger_accept_invalid_certs(true)
        .timeout(DEADLINE);
    let client = client.build().map_err(|e| e.to_string())?;
    let url = format!("{scheme}://{address}/");
    let origins = block
        .get("allowed_origins")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    for (origin, expected) in
        origins.map(|o| (o, StatusCode::SWITCHING_PROTOCOLS)).chain([(FOREIGN, StatusCode::FORBIDDEN)])
    {
        let request = client
            .get(&url)
            .header(header::ORIGIN, origin)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, "a2V6IG5hdHMgY2hlY2sgMQ==")
            .header(header::SEC_WEBSOCKET_EXTENSIONS, "permessage-deflate");
        let answer = request.send().await.map_err(|e| format!("{url} doesn't answer: {e}"))?;
        if answer.status() != expected {
            return Err(format!("a page of {origin} got {} instead of {expected}", answer.status()));
        }
        if answer.headers().contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
            return Err("the server compresses: set websocket.compression to false".into());
        }
    }
    Ok(String::new())
}
