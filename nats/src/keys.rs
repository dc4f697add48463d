//! The nkeys of the deployment's own processes: one file each, which holds the seed and nothing else, so that every process can be given its
//! own and no other.

use std::{
    collections::HashMap,
    fs::{self, DirBuilder, File},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use data_encoding::BASE32_NOPAD;
use kez_proto::subjects::Role;
use nkeys::{KeyPair, KeyPairType, XKey};

use crate::Error;

/// A key of the deployment: who or what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A service's user in the account `KEZ`.
    Role(Role),
    /// The operator's user in the account `SYS`.
    System,
    /// The auth callout's user in the account `AUTH`.
    CalloutAuth,
    /// The auth callout's user in the account `SYS`.
    CalloutSystem,
    /// What signs the auth callout's answers. Whoever has it can be anybody on this NATS.
    CalloutIssuer,
    /// What nats-server and the auth callout seal their messages to each other with.
    CalloutXkey,
}

impl Owner {
    /// All keys of a deployment.
    pub fn all() -> impl Iterator<Item = Owner> {
        let others = [
            Owner::System,
            Owner::CalloutAuth,
            Owner::CalloutSystem,
            Owner::CalloutIssuer,
            Owner::CalloutXkey,
        ];
        Role::ALL.into_iter().map(Owner::Role).chain(others)
    }

    /// The name of its file, without `.nk`.
    pub fn name(self) -> &'static str {
        match self {
            Owner::Role(role) => role.name(),
            Owner::System => "sys",
            Owner::CalloutAuth => "callout-auth",
            Owner::CalloutSystem => "callout-system",
            Owner::CalloutIssuer => "callout-issuer",
            Owner::CalloutXkey => "callout-xkey",
        }
    }

    fn kind(self) -> Kind {
        match self {
            Owner::CalloutIssuer => Kind::Account,
            Owner::CalloutXkey => Kind::Curve,
            _ => Kind::User,
        }
    }
}

impl From<Role> for Owner {
    fn from(role: Role) -> Self {
        Owner::Role(role)
    }
}

/// The public halves of the deployment's keys, and where their seeds are.
#[derive(Clone, Debug)]
pub struct Keys {
    dir: PathBuf,
    public: HashMap<Owner, String>,
}

impl Keys {
    /// Loads the keys of `dir`, and makes the folder (0700) and every key (0600) that isn't there yet. A key that is there is never replaced,
    /// also not by a process that does the same at the same time.
    ///
    /// [`Error::Keys`] if others can read a seed or change the folder, or if a file isn't the seed that it should be.
    pub fn load_or_create(dir: &Path) -> Result<Self, Error> {
        make_folder(dir)?;
        let mut public = HashMap::new();
        for owner in Owner::all() {
            public.insert(owner, load_or_create(&seed_file(dir, owner.name()), owner.kind())?);
        }
        let keys = Self { dir: dir.into(), public };
        let tokens = keys.session_keys();
        make_folder(&tokens)?;
        let none = fs::read_dir(&tokens).map_err(Error::io("read", &tokens))?.next().is_none();
        if none {
            load_or_create(&tokens.join("1.nk"), Kind::User)?;
        }
        Ok(keys)
    }

    /// Loads the keys of `dir`, and makes none.
    ///
    /// [`Error::Io`] if one isn't there, [`Error::Keys`] as above.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        let load = |owner: Owner| Ok((owner, load(&seed_file(dir, owner.name()), owner.kind())?));
        Ok(Self { dir: dir.into(), public: Owner::all().map(load).collect::<Result<_, _>>()? })
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder of the keys that sign session tokens, `<number>.nk`: the highest number signs, all verify.
    pub fn session_keys(&self) -> PathBuf {
        self.dir.join("session")
    }

    /// The file with the seed.
    pub fn seed_file(&self, owner: impl Into<Owner>) -> PathBuf {
        seed_file(&self.dir, owner.into().name())
    }

    /// What the servers of a cluster show each other, 52 letters and digits: made when it is first asked for, and kept beside the keys.
    pub fn route_secret(&self) -> Result<String, Error> {
        load_or_create(&self.dir.join("route.secret"), Kind::Secret)
    }

    /// The public key: `U…` for users, `A…` for the issuer, `X…` for the xkey.
    pub fn public(&self, owner: impl Into<Owner>) -> &str {
        &self.public[&owner.into()]
    }
}

fn make_folder(dir: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(Error::io("make the folder", dir))?;
    let mode = fs::metadata(dir).map_err(Error::io("look at", dir))?.permissions().mode();
    if mode & 0o022 != 0 {
        let problem = format!("holds keys, and others may change it: chmod 700 '{}'", dir.display());
        return Err(Error::Keys { path: dir.into(), problem });
    }
    Ok(())
}

fn seed_file(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.nk"))
}

/// The kinds of nkeys in use.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    User,
    Account,
    Curve,
    /// No nkey: a text that is its own "public key".
    Secret,
}

impl Kind {
    fn described(self) -> &'static str {
        match self {
            Kind::User => "the seed of a NATS user (SU…)",
            Kind::Account => "the seed of a NATS account (SA…)",
            Kind::Curve => "the seed of a curve key (SX…)",
            Kind::Secret => "a secret of 52 letters and digits (A-Z, 2-7)",
        }
    }

    /// The public key of a seed of this kind.
    fn public(self, seed: &str) -> Option<String> {
        match self {
            Kind::Curve => XKey::from_seed(seed).ok().map(|key| key.public_key()),
            Kind::Secret => {
                let whole = BASE32_NOPAD.decode(seed.as_bytes()).is_ok_and(|bytes| bytes.len() == 32);
                whole.then(|| seed.to_owned())
            }
            Kind::User | Kind::Account => {
                let pair = KeyPair::from_seed(seed).ok()?;
                let wanted = if self == Kind::User { KeyPairType::User } else { KeyPairType::Account };
                (pair.key_pair_type() == wanted).then(|| pair.public_key())
            }
        }
    }

    fn seed(self, random: [u8; 32]) -> Result<String, nkeys::error::Error> {
        match self {
            Kind::User => KeyPair::new_from_raw(KeyPairType::User, random)?.seed(),
            Kind::Account => KeyPair::new_from_raw(KeyPairType::Account, random)?.seed(),
            Kind::Curve => XKey::new_from_raw(random).seed(),
            Kind::Secret => Ok(BASE32_NOPAD.encode(&random)),
        }
    }
}

fn load_or_create(path: &Path, kind: Kind) -> Result<String, Error> {
    match load(path, kind) {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            create(path, kind)?;
            load(path, kind)
        }
        outcome => outcome,
    }
}

/// The public key of the seed in this file.
fn load(path: &Path, kind: Kind) -> Result<String, Error> {
    let bad = |problem| Error::Keys { path: path.into(), problem };
    let file = File::open(path).map_err(Error::io("open", path))?;
    // Asked of the open file, so that what is judged is what is read.
    let mode = file.metadata().map_err(Error::io("look at", path))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(bad(format!("is a secret that others can read: chmod 600 '{}'", path.display())));
    }
    let mut text = String::new();
    file.take(1024).read_to_string(&mut text).map_err(Error::io("read", path))?;
    kind.public(text.trim_end()).ok_or_else(|| bad(format!("isn't {}", kind.described())))
}

/// Writes a fresh seed, whole and on disk before it has its name. Whoever comes second leaves the first one's.
fn create(path: &Path, kind: Kind) -> Result<(), Error> {
    let failed = |e: io::Error| Error::io("write", path)(e);
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|e| failed(io::Error::other(e)))?;
    let seed = kind.seed(random).map_err(|e| failed(io::Error::other(e)))?;

    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(failed)?;
    writeln!(file, "{seed}").and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    match file.persist_noclobber(path) {
        Err(e) if e.error.kind() != io::ErrorKind::AlreadyExists => Err(failed(e.error)),
        _ => File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed),
    }
}
