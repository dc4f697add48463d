//! The data folder: one instance's, for as long as it runs.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use kez_kit::{Failure, Kind};

/// With less than this free, a start is refused rather than ended by a write that fails half-way.
const FREE_BYTES: u64 = 64 << 20;

/// A locked data folder.
pub struct Data {
    folder: PathBuf,
    /// The lock ends with the process, however it ends.
    _lock: File,
}

impl Data {
    /// Makes the folder if need be, and takes it for this process.
    pub fn open(folder: &Path) -> Result<Self, Failure> {
        let disk = |doing: &str, e: io::Error| {
            let hint = if e.kind() == io::ErrorKind::StorageFull {
                "; free some space"
            } else {
                "; choose another folder with --db (KEZ_CHAT_DB)"
            };
            Failure::new(
                Kind::Disk,
                format!("can't {doing} in the data folder {}: {e}{hint}", folder.display()),
            )
        };
        if folder.is_file() {
            let message = format!(
                "{} is a file, and the data folder must be a folder; choose another with --db (KEZ_CHAT_DB)",
                folder.display()
            );
            return Err(Failure::new(Kind::Configuration, message));
        }
        for dir in [folder.to_owned(), folder.join("nats"), folder.join("nats/ports")] {
            DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| disk("make folders", e))?;
        }
        let folder = folder.canonicalize().map_err(|e| disk("look", e))?;
        let mut lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(folder.join("LOCK"))
            .map_err(|e| disk("write", e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                let _ = lock.read_to_string(&mut owner);
                let message = format!(
                    "the data folder {} is in use by another kez-chat-server (process {}); stop that one, or choose another folder with --db (KEZ_CHAT_DB)",
                    folder.display(),
                    owner.trim()
                );
                return Err(Failure::new(Kind::DataInUse, message));
            }
            Err(TryLockError::Error(e)) => return Err(disk("lock", e)),
        }
        let free = fs4::available_space(&folder).map_err(|e| disk("look", e))?;
        if free < FREE_BYTES {
            let message = format!(
                "only {} MiB are free where the data folder {} is; free some space, at least {} MiB",
                free >> 20,
                folder.display(),
                FREE_BYTES >> 20
            );
            return Err(Failure::new(Kind::Disk, message));
        }
        let written = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()));
        written.map_err(|e| disk("write", e))?;
        Ok(Self { folder, _lock: lock })
    }

    /// Whether there is as much space as a start needs.
    pub fn has_room(&self) -> bool {
        fs4::available_space(&self.folder).is_ok_and(|free| free >= FREE_BYTES)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn index(&self) -> PathBuf {
        self.folder.join("registry")
    }

    pub fn keys(&self) -> PathBuf {
        Self::keys_in(&self.folder)
    }

    /// Where the keys will be in a folder that isn't opened yet.
    pub fn keys_in(folder: &Path) -> PathBuf {
        folder.join("nats/keys")
    }

    pub fn jetstream(&self) -> PathBuf {
        self.folder.join("nats/jetstream")
    }

    pub fn nats_config(&self) -> PathBuf {
        self.folder.join("nats/server.conf")
    }

    pub fn nats_ports(&self) -> PathBuf {
        self.folder.join("nats/ports")
    }

    pub fn nats_pid(&self) -> PathBuf {
        self.folder.join("nats/nats-server.pid")
    }

    pub fn nats_log(&self) -> PathBuf {
        self.folder.join("nats/nats-server.log")
    }
}
