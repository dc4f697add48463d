//! The keys by which everything logs in to NATS are replaced.

use std::{fs, path::Path, process::Command, sync::Arc};

use async_nats::{ConnectErrorKind, ConnectOptions};
use kez_nats::{Keys, Owner, read_seed, rotation::Group};
use kez_tests::{
    ChatServer, Deployment, Person, eventually, load::Load, person::send, process::binary, within,
};
use serde_json::json;
use tokio::{sync::watch, task::JoinSet};

use super::urls;
use crate::{
    away::{all_ready, processes},
    callout::feed::{self, Seen},
};

const SENDERS: u64 = 4;
/// Messages of each sender at each step.
const EACH: u64 = 20;

/// Readers of both kinds get every message once. nats-server ends users' connections when it reads its configuration, and they come back at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keys_of_all_services_are_replaced_under_load() {
    let mut deployment = Deployment::start(2).await;
    deployment.add_sigchain().await;
    let urls = urls(&deployment);
    let alice = Person::registered("alice", &urls[0]).await;
    let nats = deployment.nats.url();
    let (mut readers, seen) = (JoinSet::new(), Seen::default());
    let (login, connections) = (alice.nats_options(), Arc::new(watch::Sender::new(0)));
    readers.spawn(feed::read(login, nats.clone(), alice.handle.clone(), connections.clone(), seen.clone()));
    let mut load = Load::start(&urls, vec![alice], SENDERS);
    let old = seeds(&deployment.nats.keys, Group::Users);

    rotate(&mut deployment, &[]);
    busy(&mut load).await;
    deployment.nats.reload().await;
    let gateway = deployment.gateways[0].log();
    assert!(gateway.contains("event: connected") && !gateway.contains("event: disconnected"), "{gateway}");
    for (n, url) in urls.iter().enumerate() {
        busy(&mut load).await;
        assert!(deployment.registries[n].terminate().await.success());
        deployment.registries[n] = deployment.registry(n);
        deployment.registries[n].ready().await;
        busy(&mut load).await;
        assert!(deployment.fanouts[n].terminate().await.success());
        deployment.fanouts[n] = deployment.fanout();
        deployment.fanouts[n].ready().await;
        busy(&mut load).await;
        replace_callout(&mut deployment, n).await;
        busy(&mut load).await;
        assert!(deployment.gateways[n].terminate().await.success());
        deployment.gateways[n] = deployment.gateway(url.trim_start_matches("http://"));
        deployment.gateways[n].ready().await;
    }
    assert!(deployment.sigchains[0].terminate().await.success());
    deployment.sigchains.clear();
    deployment.add_sigchain().await;

    rotate(&mut deployment, &["--finish"]);
    busy(&mut load).await;
    deployment.nats.reload().await;
    for old in old {
        refused(&old, &nats).await;
    }
    for new in seeds(&deployment.nats.keys, Group::Users) {
        within("NATS answers", ConnectOptions::with_nkey(new).connect(&nats)).await.unwrap();
    }
    let history: Vec<u64> = load.finish().await.histories[0].iter().map(|(seq, _)| *seq).collect();
    eventually("the reader over NATS has it all", async || {
        (seen.lock().unwrap().len() >= history.len()).then_some(())
    })
    .await;
    assert_eq!(seen.lock().unwrap().iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), history);
    println!("the reader over NATS connected {} times", *connections.borrow());
}

/// nats-server takes another issuer, another xkey and other `auth_users` only at its start. In a cluster one goes by the old ones while another goes by the
/// new ones already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keys_of_the_auth_callout_are_replaced_one_server_after_the_other() {
    let mut deployment = Deployment::start_cluster(&[0, 1]).await;
    let bob = Person::registered("bobby", deployment.url(0)).await;
    let old = read_seed(&deployment.nats.keys.seed_file(Owner::CalloutAuth)).unwrap();

    rotate(&mut deployment, &["--callout"]);
    restart_servers(&mut deployment, &bob).await;
    for n in 0..2 {
        assert!(deployment.auth_callouts[n].terminate().await.success());
        deployment.auth_callouts[n] = deployment.auth_callout_at(n);
        deployment.auth_callouts[n].ready().await;
    }
    let both = deployment.nats.keys.clone();
    assert_eq!(both.configured(Owner::CalloutIssuer), both.old(Owner::CalloutIssuer).unwrap().0);
    rotate(&mut deployment, &["--finish"]);
    restart_servers(&mut deployment, &bob).await;
    assert_ne!(deployment.nats.keys.configured(Owner::CalloutIssuer), both.configured(Owner::CalloutIssuer));
    for n in 0..3 {
        refused(&old, &deployment.node(n).url()).await;
    }
}

/// As a folder of keys is while some are replaced and others not yet: each old key that is there counts.
#[tokio::test]
async fn a_callout_starts_although_replacing_its_keys_was_cut_off() {
    let mut deployment = Deployment::start(1).await;
    let bob = Person::registered("bobby", deployment.url(0)).await;
    for not_yet in [Owner::CalloutXkey, Owner::CalloutIssuer] {
        rotate(&mut deployment, &["--callout"]);
        let keys = &deployment.nats.keys;
        fs::rename(keys.old(not_yet).unwrap().1, keys.seed_file(not_yet)).unwrap();
        deployment.nats.take_keys();
        deployment.nats.kill();
        deployment.nats.restart().await;
        assert!(deployment.auth_callouts[0].terminate().await.success());
        deployment.auth_callouts[0] = deployment.auth_callout();
        deployment.auth_callouts[0].ready().await;
        bob.connect_nats(&deployment.nats.url()).await;
    }
}

/// On one machine everything reads its key at the same start: no old key is needed in between, and one does no harm.
#[tokio::test]
async fn a_server_of_one_machine_starts_with_other_keys() {
    let dir = tempfile::tempdir().unwrap();
    let (db, keys) = (dir.path().join("db"), dir.path().join("db/nats/keys"));
    let mut server = ChatServer::start(&db).await;
    let bob = Person::registered("bobby", server.url()).await;
    assert!(server.process.terminate().await.success());
    let old = seeds(&Keys::load(&keys).unwrap(), Group::Users);
    for steps in [&[&[][..], &["--callout"]][..], &[&["--finish"]]] {
        steps.iter().for_each(|step| rotate_in(&keys, step));
        server = ChatServer::start(&db).await;
        bob.connect_nats(server.process.address("nats")).await;
        assert_eq!(send(server.url(), "bobby", json!({"n": 1})).await.status(), 201);
        if steps.len() == 1 {
            refused(&old[0], server.process.address("nats")).await;
        }
        assert!(server.process.terminate().await.success());
    }
}

/// Whichever was started again, logins at every server are answered.
async fn restart_servers(deployment: &mut Deployment, person: &Person) {
    for n in 0..3 {
        let node = if n == 0 { &mut deployment.nats } else { &mut deployment.peers[n - 1] };
        node.take_keys();
        node.kill();
        node.restart().await;
        all_ready(processes(deployment).chain(&deployment.auth_callouts)).await;
        for n in 0..3 {
            let url = deployment.node(n).url();
            eventually("a login is answered", async || person.try_connect_nats(&url).await.ok()).await;
        }
    }
}

fn seeds(keys: &Keys, group: Group) -> Vec<String> {
    group.owners().into_iter().map(|owner| read_seed(&keys.seed_file(owner)).unwrap()).collect()
}

async fn replace_callout(deployment: &mut Deployment, n: usize) {
    assert!(deployment.auth_callouts[n].terminate().await.success());
    deployment.auth_callouts[n] = deployment.auth_callout();
    deployment.auth_callouts[n].ready().await;
}

async fn refused(seed: &str, nats: &str) {
    let login = ConnectOptions::with_nkey(seed.to_owned()).connect(nats);
    let refused = within("NATS answers", login).await.unwrap_err();
    assert_eq!(refused.kind(), ConnectErrorKind::AuthorizationViolation);
}

/// There is load from now on.
async fn busy(load: &mut Load) {
    load.settled().await;
    println!("attempts that weren't acknowledged: {}", load.refusals().len());
    load.allow(2 * EACH);
    load.progress(SENDERS * EACH / 2).await;
    assert!(load.is_busy(), "it must be under load");
}

fn rotate(deployment: &mut Deployment, more: &[&str]) {
    rotate_in(deployment.nats.keys.dir(), more);
    deployment.nats.take_keys();
}

fn rotate_in(keys: &Path, more: &[&str]) {
    let ended =
        Command::new(binary("kez")).args(["nats", "rotate-keys"]).arg(keys).args(more).output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
}
