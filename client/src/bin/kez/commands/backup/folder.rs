//! A folder that appears whole or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use super::manifest::Written;
use crate::failure::Failure;

/// A folder of files that others can't read (0700), which is gone with this value unless it has appeared.
pub struct Unfinished(TempDir);

/// A file that is being written.
pub struct Writing {
    name: String,
    path: PathBuf,
    file: BufWriter<File>,
    digest: Sha256,
    bytes: u64,
}

impl Unfinished {
    /// A folder beside the one that it is to become, which mustn't be there.
    pub fn beside(dir: &Path) -> Result<Self, Failure> {
        let taken = || Failure::refused(format!("{} is there already; name another folder", dir.display()));
        let name = dir.file_name().ok_or_else(taken)?.to_string_lossy();
        if dir.symlink_metadata().is_ok() {
            return Err(taken());
        }
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let failed = |e: io::Error| Failure::refused(format!("can't write in {}: {e}", parent.display()));
        fs::create_dir_all(parent).map_err(failed)?;
        let made = tempfile::Builder::new().prefix(&format!(".{name}.unfinished-")).tempdir_in(parent);
        Ok(Self(made.map_err(failed)?))
    }

    /// Begins a file.
    pub fn create(&mut self, name: &str) -> Result<Writing, Failure> {
        let path = self.0.path().join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|e| failed(&path, &e))?;
        let file = BufWriter::with_capacity(1 << 20, file);
        Ok(Writing { name: name.into(), path, file, digest: Sha256::new(), bytes: 0 })
    }

    /// Gives the folder, whose files are all on disk, its name.
    pub fn appear(self, dir: &Path) -> Result<(), Failure> {
        let sync = |dir: &Path| File::open(dir)?.sync_all();
        let path = self.0.path();
        sync(path).and_then(|()| fs::rename(path, dir)).map_err(|e| failed(dir, &e))?;
        // Nothing is left that would have to go.
        let _ = self.0.keep();
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        sync(parent).map_err(|e| failed(dir, &e))
    }
}

impl Writing {
    /// Appends.
    pub fn write(&mut self, part: &[u8]) -> Result<(), Failure> {
        self.file.write_all(part).map_err(|e| failed(&self.path, &e))?;
        self.digest.update(part);
        self.bytes += part.len() as u64;
        Ok(())
    }

    /// Waits until all of it is on disk.
    pub async fn finish(self) -> Result<Written, Failure> {
        let Self { name, path, file, digest, bytes } = self;
        let synced = move || {
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()
        };
        let synced = spawn_blocking(synced).await.map_err(Failure::refused)?;
        synced.map_err(|e| failed(&path, &e))?;
        Ok(Written { name, bytes, sha256: HEXLOWER.encode(&digest.finalize()) })
    }
}

/// SHA-256 in hex.
pub fn digest(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::refused(format!("can't write {}: {error}", path.display()))
}
