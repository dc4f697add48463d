//! All of Kez Chat in one process, with a nats-server of its own: the single-machine default. It can do nothing that the separate services can't.

mod child;
mod config;
mod data;
mod disk;

use std::{io::Write, net::SocketAddr, process::ExitCode};

use kez_kit::{Failure, Kind, Life, Nats, admin, life, nats::NatsArgs};
use kez_nats::{Keys, NatsServer};
use kez_proto::{ServerName, subjects::Role};

use crate::{child::Child, config::Arguments, data::Data};

fn main() -> ExitCode {
    life::main(run)
}

async fn run(arguments: Arguments, life: Life) -> Result<(), Failure> {
    let gate = life.ready.gate("chat-server");
    let drain = arguments.process.drain();
    // Everything that can be wrong with flags, folders and ports is told before anything starts.
    let gateway_config = arguments.gateway.with(arguments.deployment.server.clone())?;
    let fanout_config: kez_fanout::Config = arguments.fanout.clone().try_into()?;
    let binary = match arguments.nats_url {
        None => Some(NatsServer::find(arguments.nats_server.as_deref()).map_err(failure)?),
        Some(_) => None,
    };
    let data = Data::open(&arguments.db)?;
    let listener = kez_gateway::bind(&gateway_config)?;
    let keys = Keys::load_or_create(&data.keys()).map_err(failure)?;
    admin::start(&arguments.process.admin, &life)?;

    // However many the deployment has, which only its streams tell, the fan-out may use them.
    let partitions = kez_proto::limits::PARTITIONS_MAX;
    let child = match binary {
        Some(binary) => {
            Some(Child::start(binary, &data, &keys, arguments.nats_bind, partitions, &life).await?)
        }
        None => {
            // For the operator's nats-server, which must know our accounts and keys.
            child::write_config(&data, &keys, child::DEFAULT, partitions)?;
            None
        }
    };
    let urls = match &child {
        Some(child) => vec![format!("nats://{}", child.address)],
        None => arguments.nats_url.unwrap_or_default(),
    };
    let nats = |role| NatsArgs { nats_url: urls.clone(), nats_nkey: Some(keys.seed_file(role)) };
    let (for_registry, for_fanout, for_gateway) =
        (nats(Role::Registry), nats(Role::Fanout), nats(Role::Gateway));

    let server = arguments.deployment.server.clone();
    let registry_config = arguments.deployment.with(data.index(), arguments.fanout.replicas);
    // The gateway ends first, so that what it still has under way is answered; then the services; then nats-server.
    let back = life.part();
    let registry = kez_registry::run(registry_config, &for_registry, back.clone(), drain);
    let fanout = kez_fanout::run(fanout_config, &for_fanout, back.clone(), drain);
    let front = async {
        let outcome = kez_gateway::run(gateway_config, listener, &for_gateway, life.clone(), drain).await;
        back.shutdown.cancel();
        outcome
    };
    let ready = async {
        tokio::select! {
            () = life.ready.wait_for(&["registry-service", "fanout-service", "gateway-service"]) => {
                gate.open();
                banner(&life, &server, &data, child.as_ref(), &urls);
            }
            () = life.shutdown.cancelled() => {}
        }
        Ok(())
    };
    let store = async {
        if let Some(child) = &child {
            let gate = life.ready.gate("message-store");
            let sys =
                NatsArgs { nats_url: urls.clone(), nats_nkey: Some(keys.seed_file(kez_nats::Owner::System)) };
            let nats = Nats::connect(&sys, "system", "_INBOX", 64, &life).await?;
            disk::watch(nats, &data, &child.restart(), gate, &life).await;
        }
        Ok(())
    };
    let outcome = tokio::try_join!(registry, fanout, front, ready, store).map(drop);
    if let Some(child) = child {
        child.stop().await;
    }
    outcome
}

fn failure(e: kez_nats::Error) -> Failure {
    use kez_nats::Error;
    let kind = match e {
        Error::BinaryMissing { .. } | Error::BinaryTooOld { .. } | Error::ConfigRefused(_) => {
            Kind::NatsServer
        }
        Error::Keys { .. } => Kind::Configuration,
        Error::Io { .. } => Kind::Disk,
    };
    let cause = std::error::Error::source(&e).map(|source| format!(": {source}")).unwrap_or_default();
    Failure::new(kind, format!("{e}{cause}"))
}

fn banner(life: &Life, server: &ServerName, data: &Data, child: Option<&Child>, urls: &[String]) {
    let http = life.address("http").unwrap_or_default();
    let (http, everywhere) = match http.trim_start_matches("http://").parse::<SocketAddr>() {
        Ok(addr) if addr.ip().is_unspecified() => {
            (format!("http://127.0.0.1:{}", addr.port()), " (and every other address of this machine)")
        }
        _ => (http, ""),
    };
    let nats = match child {
        Some(child) => format!(
            "nats://{} (nats-server {}, started by this process; its log: {})",
            child.address,
            child.version,
            data.nats_log().display()
        ),
        None => urls.join(","),
    };
    let lines = format!(
        "\nKez Chat {} for {server} is ready\n  address  {http}{everywhere}\n  data     {}\n  NATS     {nats}\n  status   http://{}/readyz\n  try it   kez --server-url {http} register <your name>\n  stop     Ctrl-C\n",
        env!("CARGO_PKG_VERSION"),
        data.folder().display(),
        life.address("admin").unwrap_or_default(),
    );
    // Nobody may be reading; that is no reason to fail.
    let _ = writeln!(std::io::stdout(), "{lines}");
}
