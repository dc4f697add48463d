//! The person's own identity log in their folder: it is theirs also when no server has it any more.

use std::{fs, io, path::PathBuf};

use super::{Likeness, Sigchain};
use crate::{Home, home::Error};

impl Home {
    /// Where the person's identity log is kept: JSON Lines, as [`kez_proto::identity::export`] has them.
    pub fn sigchain_path(&self) -> PathBuf {
        self.path("sigchain.jsonl")
    }

    /// The log that is kept, verified.
    pub fn sigchain(&self) -> Result<Option<Sigchain>, Error> {
        let path = self.sigchain_path();
        let lines = match fs::read_to_string(&path) {
            Ok(lines) => lines,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io(&path)(e)),
        };
        let damaged = |detail: String| Error::Damaged { path: path.clone(), detail };
        let events = kez_proto::identity::export::decode(&lines).map_err(|e| damaged(e.to_string()))?;
        Sigchain::verify(events).map(Some).map_err(|e| damaged(e.to_string()))
    }

    /// Keeps a log, on disk when this returns. One that is kept already and goes on where this one ends stays: another command was faster. Another one
    /// stays, too, and is an error.
    pub fn keep_sigchain(&self, log: &Sigchain) -> Result<(), Error> {
        match self.sigchain()?.map(|kept| kept.compare(log)) {
            Some(Likeness::Same | Likeness::Ahead) => return Ok(()),
            Some(Likeness::Forked { .. }) => {
                let detail = "it holds another identity log".to_owned();
                return Err(Error::Damaged { path: self.sigchain_path(), detail });
            }
            Some(Likeness::Behind) | None => {}
        }
        let too_large = |_| Error::Io {
            path: self.sigchain_path(),
            source: io::Error::other("an identity log beyond 16 MiB can't be kept"),
        };
        self.write("sigchain.jsonl", log.to_lines().map_err(too_large)?.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sigchain::log::tests::log;

    #[test]
    fn a_log_is_kept_and_never_gets_shorter() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join("kez"));
        assert_eq!(home.sigchain().unwrap(), None);
        let (one, two) = (log(1, &["github:a"]), log(1, &["github:a", "github:b"]));
        home.keep_sigchain(&one).unwrap();
        assert_eq!(home.sigchain().unwrap(), Some(one.clone()));
        home.keep_sigchain(&two).unwrap();
        home.keep_sigchain(&one).unwrap();
        assert!(home.keep_sigchain(&log(2, &["github:a"])).is_err(), "another person's");
        assert_eq!(home.sigchain().unwrap(), Some(two));
    }

    #[test]
    fn a_damaged_log_is_an_error_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        let log = log(1, &["github:a"]);
        for bad in ["", "{}", "hello", &log.to_lines().unwrap().replace("github:a", "github:b")] {
            fs::write(home.sigchain_path(), bad).unwrap();
            assert!(matches!(home.sigchain(), Err(Error::Damaged { .. })), "{bad:?} was taken");
            assert!(home.keep_sigchain(&log).is_err());
            assert_eq!(fs::read_to_string(home.sigchain_path()).unwrap(), bad);
        }
    }
}
