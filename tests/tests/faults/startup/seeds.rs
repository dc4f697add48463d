//! Files of seeds that others can read: no service uses one.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use kez_nats::{Keys, Owner};
use kez_proto::subjects::Role;

use super::{Refused, arguments, refused, refused_service};

fn chmod(file: &Path, mode: u32) {
    fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
}

/// How a service ends that may not start with this key; nobody is asked at the address.
async fn started(keys: &Keys, role: Role, index: &Path) -> Refused {
    let seed = keys.seed_file(role).display().to_string();
    let seed_of = |role: Role| keys.seed_file(role).display().to_string();
    let clients = [Role::RegistryClients, Role::FanoutClients].map(seed_of);
    let (keys, index) = (keys.dir().display().to_string(), index.display().to_string());
    let own: &[&str] = match role {
        Role::Registry => &["--index", &index, "--nats-clients-nkey", &clients[0]],
        Role::Fanout => &["--nats-clients-nkey", &clients[1]],
        Role::AuthCallout => &["--callout-keys", &keys],
        Role::Gateway => &["--bind", "127.0.0.1:0"],
        _ => &[],
    };
    let common = ["--nats-url", "nats://127.0.0.1:1", "--nats-nkey", &seed, "--admin-bind", "127.0.0.1:0"];
    let arguments: Vec<_> = common.iter().chain(own).map(ToString::to_string).collect();
    refused_service(&format!("kez-{}", role.name()), &arguments).await
}

#[tokio::test]
async fn a_seed_that_others_can_read_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let keys = Keys::load_or_create(&dir.path().join("keys")).unwrap();
    let index = dir.path().join("index");
    for role in [Role::Registry, Role::Fanout, Role::Gateway, Role::AuthCallout] {
        let file = keys.seed_file(role);
        for loose in [0o640, 0o604] {
            chmod(&file, loose);
            started(&keys, role, &index).await.in_one_line(2, &[&format!("chmod 600 '{}'", file.display())]);
        }
        chmod(&file, 0o600);
    }
    for (role, clients) in [(Role::Registry, Role::RegistryClients), (Role::Fanout, Role::FanoutClients)] {
        let file = keys.seed_file(clients);
        chmod(&file, 0o644);
        // The service's own key is good, and NATS is away: the other key is looked at before it waits.
        started(&keys, role, &index).await.in_one_line(2, &[&format!("chmod 600 '{}'", file.display())]);
        chmod(&file, 0o600);
    }
    let own = [Owner::CalloutAuth, Owner::CalloutSystem, Owner::CalloutIssuer, Owner::CalloutXkey];
    for file in own.map(|owner| keys.seed_file(owner)) {
        chmod(&file, 0o644);
        let ended = started(&keys, Role::AuthCallout, &index).await;
        ended.in_one_line(2, &[&format!("chmod 600 '{}'", file.display())]);
        chmod(&file, 0o600);
    }
}

#[tokio::test]
async fn the_keys_in_the_data_folder_are_looked_at_too() {
    let dir = tempfile::tempdir().unwrap();
    let keys = Keys::load_or_create(&dir.path().join("nats/keys")).unwrap();
    for file in [keys.seed_file(Role::Gateway), keys.session_keys().join("1.nk")] {
        chmod(&file, 0o644);
        let ended = refused(&arguments(dir.path(), &[])).await;
        ended.in_one_line(2, &[&format!("chmod 600 '{}'", file.display())]);
        chmod(&file, 0o600);
    }
}
