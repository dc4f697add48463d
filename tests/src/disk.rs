//! A small file system in memory, which a test can fill up. Needs root.

use std::{fs, io::Write, path::Path, process::Command};

use tempfile::TempDir;

/// A file system of its own; gone when dropped.
pub struct Disk {
    dir: TempDir,
}

impl Disk {
    /// One with these options of tmpfs, such as `size=1m`. Where mounting isn't permitted there is none, and the test proves nothing: told here,
    /// and a failure in CI, which must be able to.
    pub fn new(options: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "kez-test"]).arg(dir.path()).output();
        let refused = match mount {
            Ok(output) if output.status.success() => return Some(Self { dir }),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(e) => e.to_string(),
        };
        assert!(std::env::var_os("CI").is_none(), "this test must be able to mount a tmpfs: {refused}");
        eprintln!("SKIPPED: this test needs to mount a tmpfs, as root: {refused}");
        None
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Takes what is left of its space.
    pub fn fill(&self) {
        let mut file = fs::File::create(self.filler()).unwrap();
        let mut chunk = vec![0xa5; 1 << 20];
        while !chunk.is_empty() {
            if file.write_all(&chunk).is_err() {
                // Down to the last bytes.
                chunk.truncate(chunk.len() / 2);
            }
        }
    }

    /// Gives it back.
    pub fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> std::path::PathBuf {
        self.path().join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: what still writes there at the end of a failed test doesn't keep it.
        let _ = Command::new("umount").arg("--lazy").arg(self.dir.path()).status();
    }
}
