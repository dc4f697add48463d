//! The key file: the seed as 64 hex digits and a newline, for its owner's eyes only.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use crate::{Identity, home::Error};

/// Longer than any key file; a file that long isn't one.
const MAX_BYTES: u64 = 128;

/// Writes a new key file, readable by its owner alone. It appears whole or not at all, and never takes an existing file's place.
pub fn create(path: &Path, identity: &Identity) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let hex = identity.seed_hex();
    let write = || {
        // Made with mode 0600 before the first byte is written.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(hex.as_bytes())?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path).map_err(|e| e.error)?;
        // The name too must outlive a crash: a person may register with this key a moment later.
        if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
    };
    write().map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => Error::IdentityExists(path.to_owned()),
        _ => Error::io(path)(e),
    })
}

/// Reads a key file; refused if group or others may read it.
pub fn load(path: &Path) -> Result<Identity, Error> {
    let file = File::open(path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => Error::NoIdentity(path.to_owned()),
        _ => Error::io(path)(e),
    })?;
    // Asked of the open file: the name may lead elsewhere a moment later.
    if readable_by_others(&file).map_err(Error::io(path))? {
        return Err(Error::KeyReadable(path.to_owned()));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize));
    file.take(MAX_BYTES).read_to_end(&mut text).map_err(Error::io(path))?;
    let hex = text.strip_suffix(b"\n").unwrap_or(&text);
    let mut seed = Zeroizing::new([0; 32]);
    let wrong = || Error::Damaged {
        path: path.to_owned(),
        detail: "a key file holds 64 lower-case hex digits".into(),
    };
    if hex.len() != 64 {
        return Err(wrong());
    }
    HEXLOWER.decode_mut(hex, &mut *seed).map_err(|_| wrong())?;
    Ok(Identity::from_seed(&seed))
}

#[cfg(unix)]
fn readable_by_others(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(file.metadata()?.mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn readable_by_others(_: &File) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn kept_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.key");
        create(&path, &Identity::from_seed(&[0x42; 32])).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", "42".repeat(32)));
        assert_eq!(load(&path).unwrap().primary().to_string(), kez_proto::primary::EXAMPLE);
    }

    #[cfg(unix)]
    #[test]
    fn for_the_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.key");
        create(&path, &Identity::from_seed(&[1; 32])).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = load(&path).unwrap_err();
            assert!(error.to_string().ends_with(&format!("chmod 600 {}", path.display())), "{error}");
        }
    }

    #[test]
    fn never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.key");
        create(&path, &Identity::from_seed(&[1; 32])).unwrap();
        let before = fs::read(&path).unwrap();
        assert!(matches!(create(&path, &Identity::from_seed(&[2; 32])), Err(Error::IdentityExists(_))));
        assert_eq!(fs::read(&path).unwrap(), before);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "a temporary file was left");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.key");
        assert!(matches!(load(&path), Err(Error::NoIdentity(_))));
        let hex = "42".repeat(32);
        for bad in [
            "",
            "\n",
            &hex[1..],
            &format!("{hex}42"),
            &format!("{hex}\n\n"),
            &"AB".repeat(32),
            &"zz".repeat(32),
            &"4".repeat(500),
        ] {
            let mut file = tempfile::NamedTempFile::new_in(dir.path()).unwrap();
            file.write_all(bad.as_bytes()).unwrap();
            file.persist(&path).unwrap();
            assert!(matches!(load(&path), Err(Error::Damaged { .. })), "{bad:?} was taken");
        }
    }
}
