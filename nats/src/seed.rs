//! Files that hold one secret each: a seed, its line's end, and nothing else.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, PermissionsExt, fchown},
    path::Path,
};

use data_encoding::BASE32_NOPAD;
use nkeys::{KeyPair, KeyPairType, XKey};
use tempfile::{Builder, NamedTempFile};

use crate::{Error, folder};

/// A seed is 58 characters.
const FILE_BYTES: u64 = 1024;
/// How the name of a seed's file begins that isn't whole yet.
const UNFINISHED: &str = ".unfinished-";

/// The kinds of nkeys in use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
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

pub fn load_or_create(path: &Path, kind: Kind) -> Result<String, Error> {
    match load(path, kind) {
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            create(path, kind)?;
            load(path, kind)
        }
        outcome => outcome,
    }
}

/// The text of a file that holds a seed or another secret, without the line's end. What it holds isn't looked at.
///
/// [`Error::Keys`] if others can read it, [`Error::Io`] if this process can't.
pub fn read(path: &Path) -> Result<String, Error> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    // Asked of the open file, so that what is judged is what is read.
    let mode = file.metadata().map_err(Error::io("look at", path))?.permissions().mode();
    if mode & 0o077 != 0 {
        let problem = format!("is a secret that others can read: chmod 600 '{}'", path.display());
        return Err(Error::Keys { path: path.into(), problem });
    }
    let mut text = String::new();
    file.take(FILE_BYTES).read_to_string(&mut text).map_err(Error::io("read", path))?;
    text.truncate(text.trim_end().len());
    Ok(text)
}

/// The public key (U…) of the user's seed in this file, which is made (0600) if it isn't there.
///
/// [`Error::Keys`] if others can read it or it holds something else.
pub fn user_key(path: &Path) -> Result<String, Error> {
    load_or_create(path, Kind::User)
}

/// The public key of the seed in this file.
pub fn load(path: &Path, kind: Kind) -> Result<String, Error> {
    let bad = || Error::Keys { path: path.into(), problem: format!("isn't {}", kind.described()) };
    kind.public(&read(path)?).ok_or_else(bad)
}

/// Writes a fresh seed, whole and on disk before it has its name. `false` if the name was taken: whoever comes second leaves the first one's.
pub fn create(path: &Path, kind: Kind) -> Result<bool, Error> {
    let made = match fresh(path, kind)?.persist_noclobber(path) {
        Ok(_) => true,
        Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(e) => return Err(Error::io("write", path)(e.error)),
    };
    folder::sync(dir_of(path))?;
    Ok(made)
}

/// The same in the place of the one that is there, for the user whose file that was.
pub fn replace(path: &Path, kind: Kind) -> Result<(), Error> {
    let file = fresh(path, kind)?;
    let look = |metadata: io::Result<Metadata>| metadata.map_err(Error::io("look at", path));
    let (own, before) = (look(file.as_file().metadata())?, look(fs::metadata(path))?);
    if own.uid() != before.uid() {
        let given = fchown(&file, Some(before.uid()), Some(before.gid()));
        given.map_err(Error::io("change the owner of", file.path()))?;
    }
    file.persist(path).map_err(|e| Error::io("write", path)(e.error))?;
    folder::sync(dir_of(path))
}

/// Deletes the seeds in this folder whose process was killed before they had their names.
pub fn remove_unfinished(dir: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(dir).map_err(Error::io("read", dir))? {
        let entry = entry.map_err(Error::io("read", dir))?;
        if entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
            fs::remove_file(entry.path()).map_err(Error::io("remove", entry.path()))?;
        }
    }
    Ok(())
}

/// A fresh seed on disk, in a file that has no name that counts.
fn fresh(path: &Path, kind: Kind) -> Result<NamedTempFile, Error> {
    let failed = |e: io::Error| Error::io("write", path)(e);
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|e| failed(io::Error::other(e)))?;
    let seed = kind.seed(random).map_err(|e| failed(io::Error::other(e)))?;
    let mut file = Builder::new().prefix(UNFINISHED).tempfile_in(dir_of(path)).map_err(failed)?;
    writeln!(file, "{seed}").and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    Ok(file)
}

fn dir_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
