//! A person's key gives way to the next one, in their folder. At each moment of it every key is in a file that was synced: a crash loses none, and the change
//! goes on where it stopped.
//!
//! The next key waits in `next.key` until the server has taken it ([`Home::keep_next_identity`]); then the old one goes to `old-keys/`, which still opens old
//! mail, and the next one takes its place ([`Home::change_identity`]).

use std::{
    fs,
    io::{self, ErrorKind},
    path::PathBuf,
};

use crate::{Home, Identity, home::Error, key_file};

impl Home {
    fn next_key_path(&self) -> PathBuf {
        self.path("next.key")
    }

    fn old_keys_path(&self) -> PathBuf {
        self.path("old-keys")
    }

    fn old_key_path(&self, identity: &Identity) -> PathBuf {
        self.old_keys_path().join(format!("{}.key", identity.primary().hex()))
    }

    /// The key of a change that has begun and hasn't ended.
    pub fn next_identity(&self) -> Result<Option<Identity>, Error> {
        match key_file::load(&self.next_key_path()) {
            Err(Error::NoIdentity(_)) => Ok(None),
            loaded => loaded.map(Some),
        }
    }

    /// Whether a change has begun and hasn't ended.
    pub fn is_changing(&self) -> bool {
        self.next_key_path().symlink_metadata().is_ok()
    }

    /// Begins a change: the next key is on disk when this returns. One that is there already is left as it is.
    pub fn keep_next_identity(&self, next: &Identity) -> Result<(), Error> {
        self.create()?;
        key_file::create(&self.next_key_path(), next)
    }

    /// Ends a change that has begun: the next key takes the key file's place, and the old one is kept beside. May be called again after a crash.
    pub fn change_identity(&self) -> Result<(), Error> {
        let next = self.next_key_path();
        key_file::load(&next)?;
        self.keep_old_identity(&self.identity()?)?;
        fs::rename(&next, self.key_path()).map_err(Error::io(&next))?;
        self.sync()
    }

    /// Gives up a change that has begun. Its key is kept among the old ones: somebody may have been told of it.
    pub fn give_up_change(&self) -> Result<(), Error> {
        if let Some(next) = self.next_identity()? {
            self.keep_old_identity(&next)?;
            fs::remove_file(self.next_key_path()).map_err(Error::io(&self.next_key_path()))?;
        }
        Ok(())
    }

    /// Keeps a key that this person had before, for opening what was sealed to it. It may be there already.
    pub fn keep_old_identity(&self, identity: &Identity) -> Result<(), Error> {
        let (folder, path) = (self.old_keys_path(), self.old_key_path(identity));
        self.create_private(&folder)?;
        self.sync()?;
        match key_file::create(&path, identity) {
            // After a crash it is there; a file of that name with another key would lose this one.
            Err(Error::IdentityExists(_)) if key_file::load(&path)?.primary() == identity.primary() => Ok(()),
            created => created,
        }
    }

    /// The keys that this person had before, which open what was sealed to them.
    pub fn old_identities(&self) -> Result<Vec<Identity>, Error> {
        let folder = self.old_keys_path();
        let entries = match fs::read_dir(&folder) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(vec![]),
            entries => entries.map_err(Error::io(&folder))?,
        };
        let paths: Result<Vec<_>, io::Error> = entries.map(|entry| entry.map(|e| e.path())).collect();
        let mut paths = paths.map_err(Error::io(&folder))?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "key"));
        paths.sort();
        paths.iter().map(|path| key_file::load(path)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(n: u8) -> Identity {
        Identity::from_seed(&[n; 32])
    }

    fn primaries(identities: &[Identity]) -> Vec<kez_proto::Primary> {
        identities.iter().map(Identity::primary).collect()
    }

    #[test]
    fn the_next_key_takes_over_and_the_old_one_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        home.create_identity(&seed(1)).unwrap();
        assert!(
            !home.is_changing()
                && home.next_identity().unwrap().is_none()
                && home.old_identities().unwrap().is_empty()
        );
        assert!(matches!(home.change_identity(), Err(Error::NoIdentity(_))));

        home.keep_next_identity(&seed(2)).unwrap();
        assert!(matches!(home.keep_next_identity(&seed(3)), Err(Error::IdentityExists(_))));
        assert_eq!(home.next_identity().unwrap().unwrap().primary(), seed(2).primary());
        assert_eq!(home.identity().unwrap().primary(), seed(1).primary());

        home.change_identity().unwrap();
        assert_eq!(home.identity().unwrap().primary(), seed(2).primary());
        assert_eq!(primaries(&home.old_identities().unwrap()), [seed(1).primary()]);
        assert!(home.next_identity().unwrap().is_none());
    }

    /// Wherever it stopped, both keys are there, and it ends as if it hadn't.
    #[test]
    fn a_crash_at_any_moment_loses_nothing() {
        let steps: [&dyn Fn(&Home); 3] = [
            &|home| home.create_private(&home.old_keys_path()).unwrap(),
            &|home| key_file::create(&home.old_key_path(&seed(1)), &seed(1)).unwrap(),
            &|home| fs::rename(home.next_key_path(), home.key_path()).unwrap(),
        ];
        for crash_after in 0..=steps.len() {
            let dir = tempfile::tempdir().unwrap();
            let home = Home::at(dir.path());
            home.create_identity(&seed(1)).unwrap();
            home.keep_next_identity(&seed(2)).unwrap();
            steps[..crash_after].iter().for_each(|step| step(&home));
            if home.is_changing() {
                home.change_identity().unwrap();
            }
            assert_eq!(home.identity().unwrap().primary(), seed(2).primary(), "{crash_after}");
            assert_eq!(primaries(&home.old_identities().unwrap()), [seed(1).primary()], "{crash_after}");
        }
    }

    #[test]
    fn a_change_that_is_given_up_keeps_its_key_too() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        home.create_identity(&seed(1)).unwrap();
        home.give_up_change().unwrap();
        home.keep_next_identity(&seed(2)).unwrap();
        home.give_up_change().unwrap();
        assert!(home.next_identity().unwrap().is_none());
        assert_eq!(home.identity().unwrap().primary(), seed(1).primary());
        assert_eq!(primaries(&home.old_identities().unwrap()), [seed(2).primary()]);
    }

    #[test]
    fn a_file_in_the_way_stops_the_change() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        home.create_identity(&seed(1)).unwrap();
        home.keep_next_identity(&seed(2)).unwrap();
        home.create_private(&home.old_keys_path()).unwrap();
        key_file::create(&home.old_key_path(&seed(1)), &seed(9)).unwrap();
        assert!(matches!(home.change_identity(), Err(Error::IdentityExists(_))));
        assert_eq!(home.identity().unwrap().primary(), seed(1).primary());
    }
}
