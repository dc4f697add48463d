//! The index's folder: one process at a time, and a broken index is set aside rather than mended.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use kez_kit::{Failure, Kind};
use time::OffsetDateTime;

use crate::{damage::Error, deployment::Log, index::Index};

/// Two of sled's segments.
const PROBE_BYTES: usize = 1 << 20;

/// The folder, locked for as long as this lives. The lock is a file beside it, since the folder itself may be renamed.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Takes the folder for this process; it needn't exist.
    pub fn lock(path: &Path) -> Result<Self, Failure> {
        let lock = || {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            File::options().create(true).write(true).truncate(false).open(beside(path, "lock"))
        };
        let lock = lock().map_err(|e| disk(path, &e))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.into(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                let message = format!(
                    "the index {} is in use by another instance; give each one its own --index",
                    path.display()
                );
                Err(Failure::new(Kind::DataInUse, message))
            }
            Err(TryLockError::Error(e)) => Err(disk(path, &e)),
        }
    }

    /// We hold the folder's lock, so that sled's own lock can only be an earlier handle's in this process: its flusher thread lets go of it a moment
    /// after the last handle was dropped.
    fn open_freed(&self, log: &Log) -> Result<Option<Index>, Error> {
        for _ in 0..100 {
            match Index::open(&self.path, log) {
                Err(Error::Disk(e)) if e.to_string().contains("could not acquire lock") => {
                    #[allow(clippy::disallowed_methods, reason = "milliseconds, and nothing else can go on")]
                    std::thread::sleep(Duration::from_millis(10));
                }
                outcome => return outcome,
            }
        }
        Index::open(&self.path, log)
    }

    /// Opens the index if it is sound and fits the log, else sets it aside and begins a new one.
    pub fn open(&self, log: &Log) -> Result<Index, Failure> {
        let why = match self.open_freed(log) {
            Ok(Some(index)) => return Ok(index),
            Ok(None) => "it is of another log or format".to_owned(),
            Err(Error::Damaged(why)) => why,
            Err(Error::Disk(e)) => return Err(disk(&self.path, &e)),
        };
        self.set_aside(&why)?;
        match Index::open(&self.path, log) {
            Ok(Some(index)) => Ok(index),
            Ok(None) => Err(Failure::internal("a new index isn't empty")),
            Err(e) => Err(self.failure(e)),
        }
    }

    /// Whether the disk takes as much as sled wants at once.
    pub fn is_writable(&self) -> bool {
        // Inside: the folder may be a disk of its own.
        let probe = self.path.join("probe");
        let written = fs::create_dir_all(&self.path).and_then(|()| fs::write(&probe, vec![0; PROBE_BYTES]));
        let removed = fs::remove_file(&probe);
        written.and(removed).is_ok()
    }

    /// What an error of the index means for the process. A damaged index isn't found again by the next start.
    pub fn failure(&self, error: Error) -> Failure {
        match error {
            Error::Disk(e) => disk(&self.path, &e),
            Error::Damaged(why) => match self.set_aside(&why) {
                Ok(()) => Failure::internal(format_args!(
                    "the index was damaged ({why}) and is set aside; the next start builds a new one"
                )),
                Err(failure) => failure,
            },
        }
    }

    /// Renames the folder to `<index>.broken-<unix time>` and removes what was set aside before.
    pub fn set_aside(&self, why: &str) -> Result<(), Failure> {
        let work = || {
            for old in broken(&self.path)? {
                fs::remove_dir_all(old)?;
            }
            let aside = beside(&self.path, &format!("broken-{}", OffsetDateTime::now_utc().unix_timestamp()));
            fs::rename(&self.path, &aside).map(|()| aside)
        };
        let aside = work().map_err(|e| disk(&self.path, &e))?;
        tracing::warn!(why, index = %self.path.display(), aside = %aside.display(), "set the index aside; reading the log again");
        Ok(())
    }
}

fn disk(path: &Path, e: &io::Error) -> Failure {
    Failure::new(
        Kind::Disk,
        format!(
            "can't use the index {}: {e}; free the disk or give another folder with --index",
            path.display()
        ),
    )
}

/// `<path>.<suffix>`
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

/// What was set aside before.
fn broken(path: &Path) -> io::Result<Vec<PathBuf>> {
    let prefix = beside(path, "broken-");
    let Some(prefix) = prefix.file_name() else { return Ok(Vec::new()) };
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut found = Vec::new();
    for entry in fs::read_dir(parent)? {
        let name = entry?.file_name();
        let time = name.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes());
        if time.is_some_and(|t| !t.is_empty() && t.iter().all(u8::is_ascii_digit)) {
            found.push(parent.join(name));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Person, entry, genesis, log};
    use kez_proto::registry::Bindings;

    fn folder() -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::lock(&dir.path().join("deeper/index")).unwrap();
        (dir, folder)
    }

    fn fill(folder: &Folder) {
        let index = folder.open(&log("e1", 0)).unwrap();
        let people: Vec<_> = (0..200)
            .map(|i| entry(i + 2, &Person::new(i as u8, &format!("user-{i}")).registration()))
            .collect();
        index.apply(&[&[genesis(1)], people.as_slice()].concat()).unwrap();
        index.flush().unwrap();
    }

    #[test]
    fn one_process_at_a_time() {
        let (_dir, first) = folder();
        assert_eq!(Folder::lock(&first.path).unwrap_err().kind, Kind::DataInUse);
        let path = first.path.clone();
        drop(first);
        Folder::lock(&path).unwrap();
    }

    #[test]
    fn an_index_of_another_log_is_set_aside_and_only_the_last_one_is_kept() {
        let (_dir, folder) = folder();
        fill(&folder);
        fs::create_dir(beside(&folder.path, "broken-1")).unwrap();
        fs::create_dir(beside(&folder.path, "broken-by-hand")).unwrap();
        let index = folder.open(&log("e2", 500)).unwrap();
        assert_eq!(index.applied(), 0);
        assert!(index.by_handle(&"user-1".parse().unwrap()).unwrap().is_none());
        assert_eq!(broken(&folder.path).unwrap().len(), 1);
        assert!(
            !beside(&folder.path, "broken-1").exists() && beside(&folder.path, "broken-by-hand").exists()
        );
        drop(index);
        assert_eq!(folder.open(&log("e2", 500)).unwrap().applied(), 0);
    }

    #[test]
    fn whatever_is_broken_opens_whole_or_empty() {
        type Damage = fn(&mut Vec<u8>);
        let damages: [(&str, Damage); 6] = [
            ("db", |bytes| bytes.fill(0xa5)),
            ("db", |bytes| bytes.iter_mut().step_by(97).for_each(|b| *b ^= 0xff)),
            ("db", |bytes| bytes.truncate(bytes.len() / 3)),
            ("db", Vec::clear),
            ("conf", |bytes| bytes.fill(b'x')),
            ("conf", Vec::clear),
        ];
        for (i, (file, damage)) in damages.iter().enumerate() {
            let (_dir, folder) = folder();
            fill(&folder);
            let file = folder.path.join(file);
            let mut bytes = fs::read(&file).unwrap();
            damage(&mut bytes);
            fs::write(&file, bytes).unwrap();
            let index = folder.open(&log("e1", 201)).unwrap_or_else(|e| panic!("damage {i}: {e}"));
            let bound = (0..200)
                .filter(|i| index.by_handle(&format!("user-{i}").parse().unwrap()).unwrap().is_some())
                .count() as u64;
            assert_eq!(index.applied(), if bound == 0 { 0 } else { bound + 1 }, "damage {i}");
        }
    }

    #[test]
    fn what_is_not_a_folder_is_a_failure_of_the_disk() {
        let (_dir, folder) = folder();
        fs::write(&folder.path, "a file").unwrap();
        assert_eq!(folder.open(&log("e1", 1)).unwrap_err().kind, Kind::Disk);
        assert_eq!(Folder::lock(&folder.path.join("below/index")).unwrap_err().kind, Kind::Disk);
    }
}
