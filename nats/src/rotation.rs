//! Replacing the keys of a deployment that goes on.
//!
//! While it is under way, each replaced key's predecessor is in `old/`, and nats-server lets in by both. It can be cut off at any point, and then be
//! repeated.

use std::{fs, io, path::Path};

use crate::{
    Error, Keys, Owner, folder,
    keys::{OLD, old_key, seed_file},
    seed,
};

/// What finished keys are moved to before they are deleted, so that all of them cease to count at once.
const GONE: &str = "old.gone";

/// Keys that are replaced together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Those of users whom nats-server knows by reading its configuration anew: the services and the operator.
    Users,
    /// Those of `auth_callout`, for which nats-server must be restarted.
    Callout,
}

impl Group {
    const ALL: [Self; 2] = [Self::Users, Self::Callout];

    /// Whose keys these are.
    pub fn owners(self) -> Vec<Owner> {
        let of_callout =
            |owner: &Owner| matches!(owner, Owner::CalloutAuth | Owner::CalloutIssuer | Owner::CalloutXkey);
        Owner::all().filter(|owner| of_callout(owner) == (self == Self::Callout)).collect()
    }
}

/// Gives each owner of the group a fresh key, unless that was done since the last [`finish`]: how many were made.
///
/// [`Error::Keys`] and [`Error::Io`] as of [`Keys::load`].
pub fn begin(dir: &Path, group: Group) -> Result<usize, Error> {
    Keys::load(dir)?;
    seed::remove_unfinished(dir)?;
    folder::make_in(dir, OLD)?;
    let old = dir.join(OLD);
    let mut made = 0;
    for owner in group.owners() {
        if old_key(dir, owner)?.is_some() {
            continue;
        }
        let (now, before) = (seed_file(dir, owner.name()), seed_file(&old, owner.name()));
        // Under both names before the first is another's.
        match fs::hard_link(&now, &before) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::io("make a second name of", now)(e));
            }
            _ => folder::sync(&old)?,
        }
        seed::replace(&now, owner.kind())?;
        made += 1;
    }
    Ok(made)
}

/// Deletes the keys before: whether there were any.
///
/// [`Error::Keys`] if [`begin`] was cut off, so that not every owner of a group has a fresh key.
pub fn finish(dir: &Path) -> Result<bool, Error> {
    let keys = Keys::load(dir)?;
    let (old, gone) = (dir.join(OLD), dir.join(GONE));
    seed::remove_unfinished(dir)?;
    remove(&gone)?;
    if !old.exists() {
        return Ok(false);
    }
    for group in Group::ALL.map(Group::owners) {
        let begun = group.iter().any(|owner| seed_file(&old, owner.name()).exists());
        if let Some(owner) = group.iter().find(|owner| begun && keys.old(**owner).is_none()) {
            let problem = "has no successor: replacing the keys was cut off, begin it again".into();
            return Err(Error::Keys { path: keys.seed_file(*owner), problem });
        }
    }
    fs::rename(&old, &gone).map_err(Error::io("move", &old))?;
    folder::sync(dir)?;
    remove(&gone)?;
    Ok(true)
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", folder)(e)),
        _ => Ok(()),
    }
}
