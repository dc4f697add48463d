//! The keys that sign session tokens: `<number>.nk` in a folder of their own. The highest number signs, all verify.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    Error, folder,
    seed::{self, Kind},
};

/// The number in the name of a session key's file, which has one spelling: `12.nk`.
pub fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".nk")?;
    digits.parse().ok().filter(|n: &u64| n.to_string() == digits)
}

/// The session keys in this folder, by number. Files of other names are left out.
///
/// [`Error::Io`] if it can't be read.
pub fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let mut found = vec![];
    for entry in fs::read_dir(dir).map_err(Error::io("read", dir))? {
        let path = entry.map_err(Error::io("read", dir))?.path();
        let number = path.file_name().and_then(|name| number(name.to_str()?));
        found.extend(number.map(|number| (number, path)));
    }
    found.sort();
    Ok(found)
}

/// Adds a fresh key (0600) with the next number: its number and its file. Running auth callouts find it by themselves.
///
/// [`Error::Io`] if there is no such folder or it can't be written, [`Error::Keys`] if others may change it.
pub fn add(dir: &Path) -> Result<(u64, PathBuf), Error> {
    folder::check(dir)?;
    loop {
        let last = list(dir)?.last().map_or(0, |(number, _)| *number);
        let Some(next) = last.checked_add(1) else {
            let problem = format!("holds the key {last}, and there is no number behind it: rename it");
            return Err(Error::Keys { path: dir.into(), problem });
        };
        let file = dir.join(format!("{next}.nk"));
        // Another operator may have taken the number since.
        if seed::create(&file, Kind::User)? {
            return Ok((next, file));
        }
    }
}

/// Makes the folder, and a first key in one that is empty.
pub(crate) fn make(dir: &Path) -> Result<(), Error> {
    folder::make(dir)?;
    // One that is being written has a name that begins with a dot.
    let visible = |name: OsString| !name.as_encoded_bytes().starts_with(b".");
    let mut entries = fs::read_dir(dir).map_err(Error::io("read", dir))?.filter_map(Result::ok);
    if !entries.any(|entry| visible(entry.file_name())) {
        seed::load_or_create(&dir.join("1.nk"), Kind::User)?;
    }
    Ok(())
}

/// Whether the folder and each key are as they should be.
pub(crate) fn check(dir: &Path) -> Result<(), Error> {
    folder::check(dir)?;
    let keys = list(dir)?;
    if keys.is_empty() {
        let problem =
            "has no <number>.nk to sign session tokens: kez nats rotate-session-key makes one".into();
        return Err(Error::Keys { path: dir.into(), problem });
    }
    keys.iter().try_for_each(|(_, file)| seed::load(file, Kind::User).map(drop))
}
