//! What each process of a deployment needs, in a folder of its own: a volume or a machine is given one of them, and nothing else.

use std::{
    collections::HashSet,
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use kez_nats::{Keys, Owner, read_seed, session_keys};
use kez_proto::subjects::Role;

use super::{failure, init::write};
use crate::failure::Failure;

/// The folders of the services, and what is in each: a file's name there, and whose seed it holds.
const SERVICES: [(&str, &[(&str, Owner)]); 5] = [
    (
        "registry",
        &[("service.nk", Owner::Role(Role::Registry)), ("clients.nk", Owner::Role(Role::RegistryClients))],
    ),
    (
        "fanout",
        &[("service.nk", Owner::Role(Role::Fanout)), ("clients.nk", Owner::Role(Role::FanoutClients))],
    ),
    ("sigchain", &[("service.nk", Owner::Role(Role::Sigchain))]),
    ("gateway", &[("service.nk", Owner::Role(Role::Gateway))]),
    (
        CALLOUT,
        &[
            ("service.nk", Owner::Role(Role::AuthCallout)),
            ("callout-auth.nk", Owner::CalloutAuth),
            ("callout-system.nk", Owner::CalloutSystem),
            ("callout-issuer.nk", Owner::CalloutIssuer),
            ("callout-xkey.nk", Owner::CalloutXkey),
        ],
    ),
];
/// It also has the keys that sign session tokens.
const CALLOUT: &str = "auth-callout";

/// Writes what isn't there as it should be, and takes away keys that the deployment doesn't have any more: the files that changed, and how.
pub fn run(
    to: &Path,
    keys: &Keys,
    servers: &[(String, String)],
) -> Result<Vec<(PathBuf, &'static str)>, Failure> {
    let (mut files, mut gone) = (vec![], vec![]);
    let seed = |from: &Path| read_seed(from).map(|seed| seed + "\n").map_err(failure);
    // For requests of nats-servers whose configuration has the keys before: written first, so that the new ones never stand alone.
    let old = to.join(CALLOUT).join("old");
    for owner in [Owner::CalloutIssuer, Owner::CalloutXkey] {
        let path = old.join(format!("{}.nk", owner.name()));
        match keys.old(owner) {
            Some((_, file)) => files.push((path, seed(&file)?)),
            None => gone.push(path),
        }
    }
    for (service, seeds) in SERVICES {
        for (name, owner) in seeds {
            files.push((to.join(service).join(name), seed(&keys.seed_file(*owner))?));
        }
    }
    let operator = format!("{}\n", keys.public(Role::Operator));
    files.push((to.join("registry").join("operator.pub"), operator));
    let session = to.join(CALLOUT).join("session");
    for (number, from) in session_keys::list(&keys.session_keys()).map_err(failure)? {
        files.push((session.join(format!("{number}.nk")), seed(&from)?));
    }
    for (name, conf) in servers {
        files.push((to.join("nats").join(name).join("nats-server.conf"), conf.clone()));
    }

    let mut changed = vec![];
    for (path, text) in &files {
        let folder = path.parent().unwrap_or(to);
        let failed = |e| Failure::refused(format!("can't make the folder {}: {e}", folder.display()));
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let state = write(path, text, true)?;
        changed.extend((state != "same").then(|| (path.clone(), state)));
    }
    let wanted: HashSet<_> = files.iter().map(|(path, _)| path).collect();
    for (_, path) in session_keys::list(&session).map_err(failure)? {
        if !wanted.contains(&path) {
            gone.push(path);
        }
    }
    for path in gone.into_iter().filter(|path| path.exists()) {
        let failed = |e| Failure::refused(format!("can't remove {}: {e}", path.display()));
        fs::remove_file(&path).map_err(failed)?;
        changed.push((path, "removed"));
    }
    Ok(changed)
}
