//! The user's folder: the keys, who they are where, whom they know, and how far they have read.

use std::{
    ffi::OsString,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use kez_proto::{Handle, ServerName};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Identity, key_file, progress::Progress, sealing::Pins};

/// A folder that holds `identity.key`, `profile.json`, `pins.json`, `cursor.json`, the identity log in `sigchain.jsonl`, and after a change of keys `old-keys/`.
#[derive(Clone, Debug)]
pub struct Home {
    dir: PathBuf,
}

/// Content of `profile.json`: which handle this identity has, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Where the server is reached.
    pub server_url: String,
    /// Its name: the part behind the `@`.
    pub server: ServerName,
    /// The handle.
    pub handle: Handle,
}

impl Profile {
    /// `handle@server`.
    pub fn address(&self) -> String {
        format!("{}@{}", self.handle, self.server)
    }
}

/// What went wrong with a file of the folder.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither a folder was named nor a home directory is known.
    #[error("no home directory is known: set HOME, or name a folder with KEZ_HOME")]
    NoFolder,
    /// There is no key file.
    #[error("there is no identity at {}", .0.display())]
    NoIdentity(PathBuf),
    /// A key is there already; it is never overwritten.
    #[error("there is an identity already at {}; it is never overwritten", .0.display())]
    IdentityExists(PathBuf),
    /// Others may read the secret key.
    #[error("other users can read the secret key; run: chmod 600 {}", .0.display())]
    KeyReadable(PathBuf),
    /// The file's content isn't what it should be.
    #[error("{} is damaged: {detail}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The system refused.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

impl Home {
    /// The folder `explicit`, else `$KEZ_HOME`, else `$XDG_CONFIG_HOME/kez`, else `~/.config/kez`. Nothing is made yet.
    pub fn locate(explicit: Option<PathBuf>) -> Result<Self, Error> {
        choose(explicit, |name| std::env::var_os(name)).map(|dir| Self { dir }).ok_or(Error::NoFolder)
    }

    /// This very folder.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// A folder of this name below, which is another user's.
    pub fn below(&self, name: &str) -> Self {
        Self::at(self.dir.join(name))
    }

    /// Where the secret key is.
    pub fn key_path(&self) -> PathBuf {
        self.dir.join("identity.key")
    }

    /// Whether there is a key file, readable or not.
    pub fn has_identity(&self) -> bool {
        self.key_path().symlink_metadata().is_ok()
    }

    /// Reads the key file.
    pub fn identity(&self) -> Result<Identity, Error> {
        key_file::load(&self.key_path())
    }

    /// Makes the key file of a new identity; an existing one is left as it is.
    pub fn create_identity(&self, identity: &Identity) -> Result<(), Error> {
        self.create()?;
        key_file::create(&self.key_path(), identity)
    }

    /// Who the user is, if they have registered.
    pub fn profile(&self) -> Result<Option<Profile>, Error> {
        read_json(&self.dir.join("profile.json"))
    }

    /// Remembers who the user is.
    pub fn save_profile(&self, profile: &Profile) -> Result<(), Error> {
        self.write_json("profile.json", profile)
    }

    /// How far the user has read. A file that is absent or damaged is the beginning: messages are then printed again, none is lost.
    pub fn progress(&self) -> Result<Progress, Error> {
        match read_json(&self.progress_path()) {
            Err(Error::Damaged { .. }) => Ok(Progress::default()),
            read => read.map(Option::unwrap_or_default),
        }
    }

    /// Remembers how far the user has read.
    pub fn save_progress(&self, progress: &Progress) -> Result<(), Error> {
        self.write_json("cursor.json", progress)
    }

    /// The keys of those whom the user has written to. A damaged file is an error: whatever key came next would be trusted.
    pub fn pins(&self) -> Result<Pins, Error> {
        read_json(&self.dir.join("pins.json")).map(Option::unwrap_or_default)
    }

    /// Changes what is pinned. It is on disk when this returns, and two commands at once don't undo each other's changes.
    pub fn change_pins<T, E: From<Error>>(
        &self,
        change: impl FnOnce(&mut Pins) -> Result<T, E>,
    ) -> Result<T, E> {
        self.create()?;
        let path = self.dir.join("pins.lock");
        let lock = fs::File::create(&path).and_then(|lock| lock.lock().map(|()| lock));
        let _lock = lock.map_err(Error::io(&path))?;
        let mut pins = self.pins()?;
        let before = pins.clone();
        let outcome = change(&mut pins)?;
        if pins != before {
            self.write_json("pins.json", &pins)?;
        }
        Ok(outcome)
    }

    fn progress_path(&self) -> PathBuf {
        self.dir.join("cursor.json")
    }

    /// Forgets who the user is.
    pub fn forget_profile(&self) -> Result<(), Error> {
        let path = self.path("profile.json");
        fs::remove_file(&path).map_err(Error::io(&path))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(crate) fn create(&self) -> Result<(), Error> {
        self.create_private(&self.dir)
    }

    /// Makes a folder for the user alone, unless it is there.
    pub(crate) fn create_private(&self, folder: &Path) -> Result<(), Error> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder).map_err(Error::io(folder))
    }

    /// Names of files that were made or moved outlive a crash when this returns.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        let sync = || if cfg!(unix) { fs::File::open(&self.dir)?.sync_all() } else { Ok(()) };
        sync().map_err(Error::io(&self.dir))
    }

    /// Writes a file whole or not at all; it is on disk when this returns.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.create()?;
        let path = self.path(name);
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|e| e.error)
        };
        write().map_err(Error::io(&path))?;
        self.sync()
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), Error> {
        self.create()?;
        let path = self.dir.join(name);
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
            serde_json::to_writer(&mut file, value)?;
            file.write_all(b"\n")?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|e| e.error)?;
            // The name, too: a pinned key that was lost would be a new one.
            if cfg!(unix) { fs::File::open(&self.dir)?.sync_all() } else { Ok(()) }
        };
        write().map_err(Error::io(&path))
    }
}

fn choose(explicit: Option<PathBuf>, env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name| env(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    // The XDG rules say that a relative path is to be ignored.
    let config =
        || set("XDG_CONFIG_HOME").filter(|p| p.is_absolute()).or_else(|| Some(set("HOME")?.join(".config")));
    explicit.or_else(|| set("KEZ_HOME")).or_else(|| Some(config()?.join("kez")))
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|e| Error::Damaged { path: path.to_owned(), detail: e.to_string() }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io(path)(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cursor, sealing::compose};

    #[test]
    fn the_folder_is_chosen_in_order() {
        let with = |vars: &[(&str, &str)], explicit: Option<&str>| {
            choose(explicit.map(PathBuf::from), |name| {
                vars.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v))
            })
        };
        let all = [("KEZ_HOME", "/k"), ("XDG_CONFIG_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(with(&all, Some("e")), Some("e".into()));
        assert_eq!(with(&all, None), Some("/k".into()));
        assert_eq!(with(&all[1..], None), Some("/x/kez".into()));
        assert_eq!(with(&all[2..], None), Some("/h/.config/kez".into()));
        assert_eq!(
            with(&[("KEZ_HOME", ""), ("XDG_CONFIG_HOME", "x"), ("HOME", "/h")], None),
            Some("/h/.config/kez".into())
        );
        assert_eq!(with(&[], None), None);
    }

    #[test]
    fn profile_and_progress_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join("deep/kez"));
        assert_eq!(home.profile().unwrap(), None);
        assert_eq!(home.progress().unwrap(), Progress::default());
        let profile = Profile {
            server_url: "http://127.0.0.1:6969".into(),
            server: "kez.lat".parse().unwrap(),
            handle: "alice".parse().unwrap(),
        };
        home.save_profile(&profile).unwrap();
        assert_eq!(home.profile().unwrap(), Some(profile));
        let cursor = Cursor { epoch: Some("e1".into()), seq: 7 };
        let mut progress = Progress { cursor, ..Progress::default() };
        let [me, other] = [1, 2].map(|n| Identity::from_seed(&[n; 32]));
        progress.seen.admit(&compose(&me, other.primary(), "hi").unwrap()).unwrap();
        home.save_progress(&progress).unwrap();
        assert_eq!(home.progress().unwrap(), progress);
    }

    #[test]
    fn a_damaged_cursor_is_the_beginning_but_a_damaged_profile_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        fs::write(dir.path().join("cursor.json"), "{\"epoch\":").unwrap();
        fs::write(dir.path().join("profile.json"), "{}").unwrap();
        assert_eq!(home.progress().unwrap(), Progress::default());
        assert!(matches!(home.profile(), Err(Error::Damaged { .. })));
    }

    #[test]
    fn pinned_keys_are_kept_and_a_damaged_file_is_never_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join("kez"));
        let [old, new] = [1, 2].map(|n| Identity::from_seed(&[n; 32]).primary());
        let (alice, here) = ("alice".parse().unwrap(), "kez.lat".parse().unwrap());
        let pin = |key| {
            home.change_pins(|pins| Ok::<_, Error>(pins.check(&alice, &here, key, |_, _| false).is_ok()))
        };
        assert!(pin(old).unwrap());
        assert!(!pin(new).unwrap());
        assert_eq!(home.pins().unwrap().get(&alice, &here), Some(old));
        let path = dir.path().join("kez/pins.json");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        for damaged in ["", "{", r#"{"alice@kez.lat":"ed25519:00"}"#] {
            fs::write(&path, damaged).unwrap();
            assert!(matches!(home.pins(), Err(Error::Damaged { .. })));
            assert!(matches!(pin(new), Err(Error::Damaged { .. })));
            assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
        }
    }
}
