//! Folders of keys.

use std::{
    fs::{self, DirBuilder, File},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
};

use crate::Error;

/// Makes it (0700) if it isn't there, and looks at it.
pub fn make(dir: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(Error::io("make the folder", dir))?;
    check(dir)
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
