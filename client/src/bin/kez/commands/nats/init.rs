//! `kez nats init`

use std::{
    collections::HashMap,
    fs, io,
    io::Write,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf, absolute},
};

use clap::Args;
use kez_nats::{
    Keys, Origin, Owner, Server,
    config::{Cluster, MutualTls, Tls, WebSocket},
};
use kez_proto::{
    ServerName,
    limits::{PARTITIONS, PARTITIONS_MAX},
    subjects::Role,
};
use serde_json::json;

use super::{
    failure, hand_out,
    nodes::{self, Node},
};
use crate::{context::Context, failure::Failure};

const ALONE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4222);
const IN_A_CLUSTER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 4222);

#[derive(Args)]
pub struct InitArgs {
    /// Folder for keys and configuration; made if it isn't there
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// The name behind the @ of every handle
    #[arg(long, value_name = "NAME")]
    server_name: ServerName,
    /// The servers of a cluster, and where they reach each other [default: a single server]
    #[arg(long, value_name = "N1=HOST:PORT,…", value_delimiter = ',')]
    nodes: Vec<Node>,
    /// Where services and clients connect [default: 127.0.0.1:4222; in a cluster 0.0.0.0:4222]; beyond this machine with TLS, or --plain
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Where browsers connect
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    ws_listen: SocketAddr,
    /// Certificate (PEM) for TLS on both listeners; as each server finds it
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// No TLS for services and clients: nobody else is on their network, or a proxy in front has it
    #[arg(long)]
    plain: bool,
    /// No TLS for browsers: a proxy in front has it
    #[arg(long)]
    ws_plain: bool,
    /// Origin of web pages that may connect; may be repeated [default: https://<NAME>]
    #[arg(long = "origin", value_name = "URL")]
    origins: Vec<Origin>,
    /// Partitions of the mail, as the deployment has them
    #[arg(long, value_name = "COUNT", default_value_t = PARTITIONS, value_parser = clap::value_parser!(u16).range(1..=i64::from(PARTITIONS_MAX)))]
    partitions: u16,
    /// Folder in which each server keeps its streams, in one of its name [default: <DIR>/data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Also put what each service and server needs into a folder of its own, to give to it and nobody else: <service>/ and nats/<server>/
    #[arg(long, value_name = "DIR")]
    hand_out: Option<PathBuf>,
    /// Let whoever reaches this address ask for statistics [without an address: 127.0.0.1:8222, this machine alone]; beyond it only with --plain
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, require_equals = true, default_missing_value = "127.0.0.1:8222")]
    monitor: Option<SocketAddr>,
    /// Certificate (PEM) for TLS between the servers; as each server finds it
    #[arg(long, value_name = "FILE", requires_all = ["route_tls_key", "route_tls_ca", "nodes"])]
    route_tls_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", requires = "route_tls_cert")]
    route_tls_key: Option<PathBuf>,
    /// The authority of all servers' certificates (PEM)
    #[arg(long, value_name = "FILE", requires = "route_tls_cert")]
    route_tls_ca: Option<PathBuf>,
}

pub fn run(context: &Context, args: &InitArgs) -> Result<(), Failure> {
    nodes::check(&args.nodes).map_err(Failure::Usage)?;
    let listeners = Listeners::of(args)?;
    let folder = absolute(args.dir.join("keys")).map_err(Failure::refused)?;
    let kept = Owner::all().filter(|owner| folder.join(format!("{}.nk", owner.name())).exists()).count();
    let keys = Keys::load_or_create(&folder).map_err(failure)?;
    let all = Owner::all().count();
    let mut lines = vec![match kept {
        0 => format!("made     {} (keys; give each service its own and no other)", folder.display()),
        n if n == all => format!("kept     {} (keys)", folder.display()),
        n => format!("kept {n} and made {} keys in {}", all - n, folder.display()),
    }];
    let (mut files, mut confs) = (vec![], vec![]);
    for (name, server) in servers(args, &listeners, &keys)? {
        let path = folder.with_file_name(format!("{name}.conf"));
        let conf = server.render(&keys).map_err(failure)?;
        let state = write(&path, &conf, server.cluster.is_some())?;
        lines.push(format!("{state:8} {}", path.display()));
        files.push((path, state));
        confs.push((name, conf));
    }
    if let Some(to) = &args.hand_out {
        let changed = hand_out::run(to, &keys, &confs)?;
        lines.extend(changed.iter().map(|(path, state)| format!("{state:8} {}", path.display())));
    }
    lines.push(next(args, &listeners, &keys, &files));
    let program = files.iter().map(|(path, state)| json!({"file": path, "state": state.trim()}));
    context.out.result(
        &lines.join("\n"),
        &json!({"keys": folder, "kept": kept, "files": program.collect::<Vec<_>>()}),
    )?;
    Ok(())
}

/// Where the first server on a host takes whom, and with what TLS.
struct Listeners {
    clients: (SocketAddr, Option<Tls>),
    browsers: (SocketAddr, Option<Tls>),
}

impl Listeners {
    /// As they were asked for. One that other machines reach has TLS, or the operator's word that it needs none.
    fn of(args: &InitArgs) -> Result<Self, Failure> {
        let tls = args.tls_cert.clone().zip(args.tls_key.clone()).map(|(cert, key)| Tls { cert, key });
        let default = if args.nodes.is_empty() { ALONE } else { IN_A_CLUSTER };
        let listen = args.listen.unwrap_or(default);
        let open = |listen: SocketAddr| !listen.ip().is_loopback() && tls.is_none();
        if open(listen) && !args.plain {
            return Err(Failure::Usage(format!(
                "--listen {listen} is reached by other machines, and what is said there could be read on the way: give --tls-cert and --tls-key, or --plain if nobody else is on that network or a proxy in front of it has TLS"
            )));
        }
        if open(args.ws_listen) && !args.ws_plain {
            return Err(Failure::Usage(format!(
                "--ws-listen {} is reached by other machines, and browsers need TLS there: give --tls-cert and --tls-key, or --ws-plain if a proxy in front of it has TLS",
                args.ws_listen
            )));
        }
        if let Some(monitor) = args.monitor.filter(|monitor| !monitor.ip().is_loopback() && !args.plain) {
            return Err(Failure::Usage(format!(
                "--monitor={monitor} shows connections and subjects to other machines: leave the address out, or give --plain if nobody else is on that network"
            )));
        }
        let clients = (listen, tls.clone().filter(|_| !args.plain));
        Ok(Self { clients, browsers: (args.ws_listen, tls.filter(|_| !args.ws_plain)) })
    }

    /// Whether other machines reach one without TLS, as the operator wants it.
    fn plain(&self) -> bool {
        [&self.clients, &self.browsers].iter().any(|(at, tls)| !at.ip().is_loopback() && tls.is_none())
    }

    /// What --nats-direct names: those that clients of other machines reach with no proxy between. One without TLS may have a proxy.
    fn direct(&self) -> String {
        let named = [("standard", &self.clients), ("websocket", &self.browsers)];
        let direct = named.iter().filter(|(_, (at, tls))| !at.ip().is_loopback() && tls.is_some());
        direct.map(|(name, _)| *name).collect::<Vec<_>>().join(",")
    }
}

/// Each server with the name of its file.
fn servers(args: &InitArgs, listeners: &Listeners, keys: &Keys) -> Result<Vec<(String, Server)>, Failure> {
    let data = args.data.clone().unwrap_or_else(|| args.dir.join("data"));
    let origins = match args.origins.as_slice() {
        [] => vec![format!("https://{}", args.server_name).parse().map_err(Failure::Usage)?],
        origins => origins.to_vec(),
    };
    let Listeners { clients, browsers } = listeners;
    let alone = |name: &str, nth: u16| {
        let mut server = Server::new(name, up(clients.0, nth), data.join(name));
        server.tls = clients.1.clone();
        let (listen, tls) = (up(browsers.0, nth), browsers.1.clone());
        server.websocket = Some(WebSocket { listen, tls, origins: origins.clone() });
        server.monitor = args.monitor.map(|monitor| up(monitor, nth));
        server.partitions = args.partitions;
        server
    };
    if args.nodes.is_empty() {
        return Ok(vec![("nats-server".into(), alone("nats", 0))]);
    }
    let secret = keys.route_secret().map_err(failure)?;
    let files = args.route_tls_cert.clone().zip(args.route_tls_key.clone()).zip(args.route_tls_ca.clone());
    let tls = files.map(|((cert, key), ca)| MutualTls { own: Tls { cert, key }, ca });
    let mut on_host: HashMap<&str, u16> = HashMap::new();
    let servers = args.nodes.iter().map(|node| {
        // Several on one host, for a trial, can't have the same ports.
        let nth = on_host.entry(&node.host).or_default();
        let mut server = alone(&node.name, *nth);
        *nth += 1;
        server.cluster = Some(Cluster {
            name: args.server_name.to_string(),
            listen: node.listen(),
            routes: args.nodes.iter().filter(|other| *other != node).map(Node::address).collect(),
            secret: secret.clone(),
            tls: tls.clone(),
        });
        (node.name.clone(), server)
    });
    Ok(servers.collect())
}

/// The same address, so many ports higher.
fn up(address: SocketAddr, by: u16) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port().saturating_add(by))
}

/// Writes the file whole or not at all.
pub fn write(path: &Path, text: &str, secret: bool) -> Result<&'static str, Failure> {
    let failed = |e: io::Error| Failure::refused(format!("can't write {}: {e}", path.display()));
    let state = match fs::read_to_string(path) {
        Ok(before) if before == text => return Ok("same"),
        Ok(_) => "rewrote",
        Err(e) if e.kind() == io::ErrorKind::NotFound => "wrote",
        Err(e) => return Err(failed(e)),
    };
    let mut file =
        tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    let mode = fs::Permissions::from_mode(if secret { 0o600 } else { 0o644 });
    file.as_file().set_permissions(mode).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(state)
}

/// What to start, in which order.
fn next(args: &InitArgs, listeners: &Listeners, keys: &Keys, files: &[(PathBuf, &str)]) -> String {
    let (listen, tls) = &listeners.clients;
    let port = listen.port();
    let scheme = if tls.is_some() { "tls" } else { "nats" };
    let mut on_host: HashMap<&str, u16> = HashMap::new();
    let mut hosts: Vec<String> = args
        .nodes
        .iter()
        .map(|node| {
            let nth = on_host.entry(&node.host).or_default();
            *nth += 1;
            format!("{scheme}://{}:{}", node.host, port.saturating_add(*nth - 1))
        })
        .collect();
    if hosts.is_empty() {
        hosts.push(format!("{scheme}://127.0.0.1:{port}"));
    }
    let confs = files.iter().map(|(path, _)| path.display().to_string()).collect::<Vec<_>>();
    let (server, urls) = (&args.server_name, hosts.join(","));
    let replicas = if args.nodes.is_empty() { "" } else { " --replicas 3" };
    let nkey = |role: Role| format!("--nats-url {urls} --nats-nkey {}", keys.seed_file(role).display());
    // What clients ask for over NATS is answered with a key of its own.
    let clients = |role: Role| format!("--nats-clients-nkey {}", keys.seed_file(role).display());
    let plain = if listeners.plain() { "--plain " } else { "" };
    let check = format!("  kez nats check {plain}{}", confs.join(" "));
    let mut lines = vec![String::new(), "Next:".into(), check];
    if !args.nodes.is_empty() {
        lines.push("  Give each machine its own .conf, which holds the secret of the routes: for the user of nats-server alone to read.".into());
    }
    lines.extend(confs.iter().map(|conf| format!("  nats-server -c {conf}")));
    let partitions = match args.partitions {
        PARTITIONS => String::new(),
        n => format!(" --inbox-partitions {n}"),
    };
    lines.push(format!(
        "  kez-registry --server {server} --index registry{replicas}{partitions} --operator {} {} {}",
        keys.public(Role::Operator),
        nkey(Role::Registry),
        clients(Role::RegistryClients)
    ));
    lines.push(format!("  kez-fanout{replicas} {} {}", nkey(Role::Fanout), clients(Role::FanoutClients)));
    lines.push(format!("  kez-sigchain{replicas} {}", nkey(Role::Sigchain)));
    let direct = match listeners.direct() {
        none if none.is_empty() => String::new(),
        some => format!(" --nats-direct {some}"),
    };
    lines.push(format!(
        "  kez-auth-callout --server {server} --callout-keys {}{direct} {}",
        keys.dir().display(),
        nkey(Role::AuthCallout)
    ));
    lines.push(format!("  kez-gateway --server {server} {}", nkey(Role::Gateway)));
    lines.join("\n")
}
