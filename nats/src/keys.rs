//! The nkeys of the deployment's own processes: one file each, which holds the seed and nothing else, so that every process can be given its
//! own and no other.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
};

use kez_proto::subjects::Role;

use crate::{
    Error, folder,
    seed::{self, Kind},
    session_keys,
};

/// The folder of the keys that sign session tokens.
const SESSION: &str = "session";
/// The folder of the keys before these, while they are being replaced (see [`crate::rotation`]).
pub(crate) const OLD: &str = "old";

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

    pub(crate) fn kind(self) -> Kind {
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
    /// While they are being replaced.
    old: HashMap<Owner, String>,
}

impl Keys {
    /// Loads the keys of `dir`, and makes the folder (0700) and every key (0600) that isn't there yet. A key that is there is never replaced,
    /// also not by a process that does the same at the same time.
    ///
    /// [`Error::Keys`] if others can read a seed or change a folder, or if a file isn't the seed that it should be.
    pub fn load_or_create(dir: &Path) -> Result<Self, Error> {
        folder::make(dir)?;
        for owner in Owner::all() {
            seed::load_or_create(&seed_file(dir, owner.name()), owner.kind())?;
        }
        session_keys::make(&dir.join(SESSION))?;
        Self::load(dir)
    }

    /// Loads the keys of `dir`, and makes none.
    ///
    /// [`Error::Io`] if one isn't there, [`Error::Keys`] as above, and if there is no key to sign session tokens.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        folder::check(dir)?;
        let load = |owner: Owner| Ok((owner, seed::load(&seed_file(dir, owner.name()), owner.kind())?));
        let public = Owner::all().map(load).collect::<Result<_, _>>()?;
        let load = |owner: Owner| Ok(old_key(dir, owner)?.map(|old| (owner, old)));
        let old = Owner::all().filter_map(|owner| load(owner).transpose()).collect::<Result<_, _>>()?;
        session_keys::check(&dir.join(SESSION))?;
        Ok(Self { dir: dir.into(), public, old })
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder of the keys that sign session tokens, `<number>.nk`: the highest number signs, all verify.
    pub fn session_keys(&self) -> PathBuf {
        self.dir.join(SESSION)
    }

    /// The file with the seed.
    pub fn seed_file(&self, owner: impl Into<Owner>) -> PathBuf {
        seed_file(&self.dir, owner.into().name())
    }

    /// What the servers of a cluster show each other, 52 letters and digits: made when it is first asked for, and kept beside the keys.
    pub fn route_secret(&self) -> Result<String, Error> {
        seed::load_or_create(&self.dir.join("route.secret"), Kind::Secret)
    }

    /// The public key: `U…` for users, `A…` for the issuer, `X…` for the xkey.
    pub fn public(&self, owner: impl Into<Owner>) -> &str {
        &self.public[&owner.into()]
    }

    /// The one before it, and the file with its seed, while keys are being replaced.
    pub fn old(&self, owner: impl Into<Owner>) -> Option<(&str, PathBuf)> {
        let owner = owner.into();
        let public = self.old.get(&owner)?;
        Some((public, seed_file(&self.dir.join(OLD), owner.name())))
    }

    /// The public keys by which nats-server lets this owner in: its own first and, while keys are being replaced, the one before.
    pub fn accepted(&self, owner: impl Into<Owner>) -> impl Iterator<Item = &str> {
        let owner = owner.into();
        std::iter::once(self.public(owner)).chain(self.old.get(&owner).map(String::as_str))
    }

    /// The public key that nats-server has where it can have but one, as of the issuer and the xkey: while keys are being replaced, the one before, which
    /// every auth callout has, replaced or not.
    pub fn configured(&self, owner: Owner) -> &str {
        self.old.get(&owner).map_or_else(|| self.public(owner), String::as_str)
    }
}

/// The public key of an owner's old key, if there is one that isn't the key in use.
pub(crate) fn old_key(dir: &Path, owner: Owner) -> Result<Option<String>, Error> {
    let load = |dir: &Path| seed::load(&seed_file(dir, owner.name()), owner.kind());
    match load(&dir.join(OLD)) {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        old => {
            let (old, now) = (old?, load(dir)?);
            Ok((old != now).then_some(old))
        }
    }
}

pub(crate) fn seed_file(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.nk"))
}
