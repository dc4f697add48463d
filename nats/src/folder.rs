//! Folders of keys.

use std::{
    fs::{self, DirBuilder, File},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, lchown},
    path::Path,
};

use crate::Error;

/// Makes it (0700) if it isn't there, and looks at it.
pub fn make(dir: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(Error::io("make the folder", dir))?;
    check(dir)
}

/// The same for one that is the user's whose folder it is in.
pub fn make_in(parent: &Path, name: &str) -> Result<(), Error> {
    let dir = parent.join(name);
    make(&dir)?;
    let look = |dir: &Path| fs::metadata(dir).map_err(Error::io("look at", dir));
    let (own, owner) = (look(&dir)?, look(parent)?);
    if own.uid() == owner.uid() {
        return Ok(());
    }
    // Not by a link that this user may have put there meanwhile.
    lchown(&dir, Some(owner.uid()), Some(owner.gid())).map_err(Error::io("change the owner of", dir))
}

/// [`Error::Keys`] if others may put keys of theirs there.
pub fn check(dir: &Path) -> Result<(), Error> {
    let mode = fs::metadata(dir).map_err(Error::io("look at", dir))?.permissions().mode();
    if mode & 0o022 != 0 {
        let problem = format!("holds keys, and others may change it: chmod 700 '{}'", dir.display());
        return Err(Error::Keys { path: dir.into(), problem });
    }
    Ok(())
}

/// Brings the names of its files to the disk.
pub fn sync(dir: &Path) -> Result<(), Error> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::io("write", dir))
}
