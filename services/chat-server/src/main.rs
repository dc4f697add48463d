//! All of Kez Chat in one process, with a nats-server of its own: the single-machine default. It can do nothing that the separate services can't.

mod banner;
mod child;
mod config;
mod data;
mod disk;
mod links;
mod listeners;

use std::process::ExitCode;

use kez_auth_callout::Internal;
use kez_kit::{Failure, Kind, Life, Nats, admin, life, nats::NatsArgs};
use kez_nats::{Keys, NatsServer, Owner};
use kez_proto::subjects::Role;

use crate::{child::Child, config::Arguments, data::Data, links::Links};

fn main() -> ExitCode {
    life::main(run)
}

async fn run(arguments: Arguments, life: Life) -> Result<(), Failure> {
    let gate = life.ready.gate("chat-server");
    let drain = arguments.process.drain();
    let server = arguments.deployment.server.clone();
    // Everything that can be wrong with flags, folders and ports is told before anything starts.
    let listeners = arguments.listeners.check()?;
    let checked = arguments.gateway.clone().with(server.clone())?;
    let fanout_config: kez_fanout::Config = arguments.fanout.clone().try_into()?;
    let mut callout_args = arguments.auth_callout;
    if callout_args.nats_direct.is_empty() {
        callout_args.nats_direct = listeners.direct();
    }
    let callout_config = callout_args.with(server.clone(), Data::keys_in(&arguments.db))?;
    let binary = match arguments.nats_url {
        None => Some(NatsServer::find(arguments.nats_server.as_deref()).map_err(failure)?),
        Some(_) => None,
    };
    let data = Data::open(&arguments.db)?;
    let public = kez_gateway::Listeners::open(&checked)?;
    let keys = Keys::load_or_create(&data.keys()).map_err(failure)?;
    let internal = Internal::default();
    admin::start_with(&arguments.process.admin, &life, internal.router())?;

    let links = Links::new(&arguments.gateway, &server, public.public()?);
    let listeners = listeners.with_origins(links.origins());
    let child = match binary {
        Some(binary) => Some(Child::start(binary, &data, &keys, &listeners, &life).await?),
        None => {
            // For the operator's nats-server, which must know our accounts and keys.
            child::write_config(&data, &keys, &listeners, listeners::DEFAULT)?;
            None
        }
    };
    let schemes = listeners.schemes();
    let mut gateway_args = arguments.gateway;
    let urls = match &child {
        Some(child) => {
            links.publish(&mut gateway_args, child.addresses, schemes);
            let clients = listeners::from_here(child.addresses.clients);
            let browsers = listeners::from_here(child.addresses.browsers);
            life.announce("nats", format!("{}://{clients}", schemes.clients));
            life.announce("nats_ws", format!("{}://{browsers}", schemes.browsers));
            vec![format!("{}://{clients}", schemes.clients)]
        }
        None => arguments.nats_url.unwrap_or_default(),
    };
    let certificate = child.as_ref().and(listeners.certificate());
    let nats = |owner: Owner| NatsArgs {
        nats_url: urls.clone(),
        nats_nkey: Some(keys.seed_file(owner)),
        nats_ca: None,
        nats_certificate: certificate.map(Into::into),
    };
    let [
        for_registry,
        for_registry_clients,
        for_fanout,
        for_fanout_clients,
        for_sigchain,
        for_gateway,
        for_callout,
        ..,
    ] = Role::ALL.map(|role| nats(role.into()));

    let gateway_config = gateway_args.with(server.clone())?;
    let mut deployment = arguments.deployment;
    deployment.sig_server_url = deployment.sig_server_url.or_else(|| links.identity_logs());
    let sigchain_args = kez_sigchain::Args { replicas: arguments.fanout.replicas, room: arguments.sigchain };
    let operator = keys.public(Role::Operator).parse().map_err(Failure::internal)?;
    let (replicas, clients) = (arguments.fanout.replicas, &arguments.fanout.clients);
    let registry_config = deployment.with(data.index(), replicas, Some(operator), clients);
    // The gateway ends first, so that what it still has under way is answered; then the services; then nats-server.
    let back = life.part();
    let registry =
        kez_registry::run(registry_config, &for_registry, &for_registry_clients, back.clone(), drain);
    let fanout = kez_fanout::run(fanout_config, &for_fanout, &for_fanout_clients, back.clone(), drain);
    let sigchain = kez_sigchain::run(sigchain_args, &for_sigchain, back.clone(), drain);
    let callout = kez_auth_callout::run(callout_config, &for_callout, internal, back.clone(), drain);
    let front = async {
        let outcome = kez_gateway::run(gateway_config, public, &for_gateway, life.clone(), drain).await;
        back.shutdown.cancel();
        outcome
    };
    let ready = async {
        let gates = [
            "registry-service",
            "fanout-service",
            "sigchain-service",
            "auth-callout-service",
            "gateway-service",
        ];
        tokio::select! {
            () = life.ready.wait_for(&gates) => {
                gate.open();
                banner::print(&life, &server, &data, child.as_ref(), &urls);
            }
            () = life.shutdown.cancelled() => {}
        }
        Ok(())
    };
    let store = async {
        if let Some(child) = &child {
            let gate = life.ready.gate("message-store");
            let nats = Nats::connect(&nats(Owner::System), "system", "_INBOX", 64, &life).await?;
            disk::watch(nats, &data, &child.restart(), gate, &life).await;
        }
        Ok(())
    };
    let outcome = tokio::try_join!(registry, fanout, sigchain, callout, front, ready, store).map(drop);
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
    Failure::new(kind, e.with_cause())
}
