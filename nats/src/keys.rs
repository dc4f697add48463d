//! The nkeys of the deployment's own processes: one file each, which holds the seed and nothing else, so that every process can be given its
//! own and no other.

use std::{
    collections::HashMap,
    fs::{self, DirBuilder, File},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use kez_proto::subjects::Role;
use nkeys::{KeyPair, KeyPairType};

use crate::Error;

/// The public halves of the deployment's keys, and where their seeds are.
#[derive(Clone, Debug)]
pub struct Keys {
    dir: PathBuf,
    roles: HashMap<Role, String>,
    sys: String,
}

impl Keys {
    /// Loads the keys of `dir`, and makes the folder (0700) and every key (0600) that isn't there yet. A key that is there is never replaced,
    /// also not by a process that does the same at the same time.
    ///
    /// [`Error::Keys`] if others can read a seed or change the folder, or if a file isn't a user's seed.
    pub fn load_or_create(dir: &Path) -> Result<Self, Error> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(Error::io("make the folder", dir))?;
        let mode = fs::metadata(dir).map_err(Error::io("look at", dir))?.permissions().mode();
        if mode & 0o022 != 0 {
            let problem = format!("holds keys, and others may change it: chmod 700 '{}'", dir.display());
            return Err(Error::Keys { path: dir.into(), problem });
        }
        let mut roles = HashMap::new();
        for role in Role::ALL {
            roles.insert(role, load_or_create(&seed_file(dir, role.name()))?);
        }
        Ok(Self { dir: dir.into(), roles, sys: load_or_create(&seed_file(dir, SYS))? })
    }

    /// The file with a role's seed.
    pub fn seed_file(&self, role: Role) -> PathBuf {
        seed_file(&self.dir, role.name())
    }

    /// The file with the seed of the operator's user in the system account.
    pub fn sys_seed_file(&self) -> PathBuf {
        seed_file(&self.dir, SYS)
    }

    /// A role's public key (`U…`).
    pub fn public(&self, role: Role) -> &str {
        &self.roles[&role]
    }

    /// The public key (`U…`) of the operator's user in the system account.
    pub fn sys_public(&self) -> &str {
        &self.sys
    }
}

const SYS: &str = "sys";

fn seed_file(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.nk"))
}

fn load_or_create(path: &Path) -> Result<String, Error> {
    match load(path) {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            create(path)?;
            load(path)
        }
        outcome => outcome,
    }
}

/// The public key of the seed in this file.
fn load(path: &Path) -> Result<String, Error> {
    let bad = |problem| Error::Keys { path: path.into(), problem };
    let file = File::open(path).map_err(Error::io("open", path))?;
    // Asked of the open file, so that what is judged is what is read.
    let mode = file.metadata().map_err(Error::io("look at", path))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(bad(format!("is a secret that others can read: chmod 600 '{}'", path.display())));
    }
    let mut text = String::new();
    file.take(1024).read_to_string(&mut text).map_err(Error::io("read", path))?;
    match KeyPair::from_seed(text.trim_end()) {
        Ok(pair) if pair.key_pair_type() == KeyPairType::User => Ok(pair.public_key()),
        _ => Err(bad("isn't the seed of a NATS user (SU…)".into())),
    }
}

/// Writes a fresh seed, whole and on disk before it has its name. Whoever comes second leaves the first one's.
fn create(path: &Path) -> Result<(), Error> {
    let failed = |e: io::Error| Error::io("write", path)(e);
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|e| failed(io::Error::other(e)))?;
    let seed = KeyPair::new_from_raw(KeyPairType::User, random).and_then(|pair| pair.seed());
    let seed = seed.map_err(|e| failed(io::Error::other(e)))?;

    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(failed)?;
    writeln!(file, "{seed}").and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    match file.persist_noclobber(path) {
        Err(e) if e.error.kind() != io::ErrorKind::AlreadyExists => Err(failed(e.error)),
        _ => File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed),
    }
}
