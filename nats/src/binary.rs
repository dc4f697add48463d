//! The nats-server binary: where it is, and whether it may be used.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use semver::Version;

use crate::Error;

/// The oldest nats-server that may be used: the WebSocket listener of older ones can be crashed without a login. `get-nats-server` holds the
/// same number.
pub const NEEDED: Version = Version::new(2, 14, 3);

/// A nats-server that is new enough.
#[derive(Clone, Debug)]
pub struct NatsServer {
    path: PathBuf,
    version: Version,
}

impl NatsServer {
    /// The binary that was named (by a flag or `$KEZ_NATS_SERVER`), else `nats-server` on `PATH`.
    ///
    /// [`Error::BinaryMissing`] or [`Error::BinaryTooOld`]; a binary that was named is never passed over for another.
    pub fn find(explicit: Option<&Path>) -> Result<Self, Error> {
        let path = explicit.unwrap_or(Path::new("nats-server"));
        let missing = |problem, source| Error::BinaryMissing { path: path.into(), problem, source };
        let output = run(path, &["--version"]).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound if explicit.is_none() => missing("isn't on PATH", Some(e)),
            _ => missing("can't be run", Some(e)),
        })?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.trim().strip_prefix("nats-server: v").and_then(|v| Version::parse(v).ok());
        match version {
            None => Err(missing("isn't a nats-server", None)),
            Some(found) if found < NEEDED => Err(Error::BinaryTooOld { path: path.into(), found }),
            Some(version) => Ok(Self { path: path.into(), version }),
        }
    }

    /// What to run.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says that it is.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Has nats-server read a configuration file without starting. [`Error::ConfigRefused`] with its own words if it complains.
    pub fn check(&self, conf: &Path) -> Result<(), Error> {
        self.digest(conf).map(drop)
    }

    /// The same, and a digest of what it read: two files that mean the same have the same.
    pub fn digest(&self, conf: &Path) -> Result<String, Error> {
        let args = [OsStr::new("-t"), OsStr::new("-c"), conf.as_os_str()];
        let output = run(&self.path, &args).map_err(Error::io("run", &self.path))?;
        let words = [output.stderr, output.stdout].concat();
        let words = String::from_utf8_lossy(&words);
        if !output.status.success() {
            return Err(Error::ConfigRefused(words.trim().into()));
        }
        Ok(words.rsplit_once('(').map_or_else(String::new, |(_, digest)| digest.trim().into()))
    }
}

fn run<A: AsRef<OsStr>>(path: &Path, args: &[A]) -> io::Result<Output> {
    Command::new(path).args(args).stdin(Stdio::null()).output()
}
