//! The keys that sign session tokens: a folder of nkey seeds, `<number>.nk`. It is read again and again, so that an operator rotates without a restart: adds a
//! file with the next number and, a session's length later, takes the old one away. It may not know what a token says.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use kez_kit::{Failure, Kind};
use kez_proto::{
    limits::SESSION_KEY_PUBLISHED,
    session::{Jwks, TokenKey, TokenKeys},
};
use nkeys::KeyPairType;

/// How often the folder is read.
pub const READ_AGAIN: Duration = Duration::from_secs(10);
/// A key that isn't known makes it be read at once, but not more often than this: strangers name keys too.
const READ_AT_MOST: Duration = Duration::from_secs(1);

/// The folder and what was found in it.
pub struct SessionKeys {
    folder: PathBuf,
    set: RwLock<Arc<KeySet>>,
    reading: Mutex<Reading>,
}

/// The keys of one moment.
pub struct KeySet {
    keys: BTreeMap<u64, Key>,
    /// What verifies: all of them.
    pub public: TokenKeys,
}

#[derive(Clone)]
struct Key {
    key: Arc<TokenKey>,
    signs_from: Instant,
}

/// When the folder was read, and what was wrong then.
struct Reading {
    at: Instant,
    problems: Vec<String>,
}

/// The seeds by number, or why a file has none; and what else is wrong.
type Found = (BTreeMap<u64, Result<TokenKey, String>>, Vec<String>);

impl SessionKeys {
    /// Reads the folder. Fails where it has no key, or one that can't be read.
    pub fn load(folder: &Path, now: Instant) -> Result<Self, Failure> {
        let wrong = |message| Err(Failure::new(Kind::Configuration, message));
        let at = folder.display();
        let (found, foreign) = match list(folder) {
            Ok(found) => found,
            Err(e) => {
                return wrong(format!(
                    "can't read the session keys in {at}: {e}; make them with kez nats init"
                ));
            }
        };
        let mut keys = BTreeMap::new();
        for (number, key) in found {
            match key {
                // Those before the newest have been public for long; the newest may have come with this start.
                Ok(key) => keys.insert(number, Key { key: Arc::new(key), signs_from: now }),
                Err(problem) => return wrong(problem),
            };
        }
        match keys.last_entry() {
            Some(mut newest) => newest.get_mut().signs_from = now + SESSION_KEY_PUBLISHED,
            None => {
                return wrong(format!(
                    "{at} has no <number>.nk to sign session tokens; make one with kez nats init"
                ));
            }
        }
        warn(&foreign);
        let set = RwLock::new(Arc::new(KeySet::new(keys)));
        Ok(Self { folder: folder.into(), set, reading: Mutex::new(Reading { at: now, problems: foreign }) })
    }

    /// The keys as they were last read.
    pub fn set(&self) -> Arc<KeySet> {
        self.set.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the folder again, unless that was done a moment ago. A key whose file can't be read stays, as do all if there is none; each problem is told once.
    pub fn refresh(&self, now: Instant) {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(reading.at) < READ_AT_MOST {
            return;
        }
        reading.at = now;
        let before = self.set();
        let (keys, problems) = match list(&self.folder) {
            Ok(found) => before.next(found, now),
            Err(e) => (BTreeMap::new(), vec![format!("can't read the session keys: {e}")]),
        };
        warn(&reading.news(problems));
        if keys.is_empty() {
            return;
        }
        let set = KeySet::new(keys);
        if set.ids() != before.ids() {
            tracing::info!(numbers = ?set.keys.keys().collect::<Vec<_>>(), "the session keys changed");
        }
        *self.set.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
    }
}

impl Reading {
    /// Of these problems, those that weren't there the last time.
    fn news(&mut self, problems: Vec<String>) -> Vec<String> {
        let before = std::mem::replace(&mut self.problems, problems);
        self.problems.iter().filter(|problem| !before.contains(problem)).cloned().collect()
    }
}

impl KeySet {
    fn new(keys: BTreeMap<u64, Key>) -> Self {
        let mut set = Self { keys, public: TokenKeys::default() };
        set.public = TokenKeys::new(&set.jwks());
        set
    }

    /// The public keys, the newest first.
    pub fn jwks(&self) -> Jwks {
        Jwks { keys: self.keys.values().rev().map(|k| k.key.jwk()).collect() }
    }

    /// The key that signs: the newest that has been public for long enough, or else the one that will be so first.
    pub fn signer(&self, now: Instant) -> Option<&TokenKey> {
        let newest = self.keys.values().rev().find(|k| k.signs_from <= now);
        newest.or_else(|| self.keys.values().min_by_key(|k| k.signs_from)).map(|k| &*k.key)
    }

    /// The keys after the folder was read again, and what is wrong there.
    fn next(&self, (found, mut problems): Found, now: Instant) -> (BTreeMap<u64, Key>, Vec<String>) {
        let mut keys = BTreeMap::new();
        for (number, key) in found {
            match key {
                Ok(key) => {
                    let kid = key.jwk().kid;
                    let known = self.keys.values().find(|k| k.key.jwk().kid == kid);
                    let signs_from = known.map_or(now + SESSION_KEY_PUBLISHED, |k| k.signs_from);
                    keys.insert(number, Key { key: Arc::new(key), signs_from });
                }
                Err(problem) => {
                    problems.push(problem);
                    keys.extend(self.keys.get(&number).map(|k| (number, k.clone())));
                }
            }
        }
        if keys.is_empty() {
            problems.push("no session key is left".into());
        }
        (keys, problems)
    }

    fn ids(&self) -> Vec<(u64, String)> {
        self.keys.iter().map(|(number, k)| (*number, k.key.jwk().kid)).collect()
    }
}

fn warn(problems: &[String]) {
    for problem in problems {
        tracing::warn!("{problem}; the session keys are otherwise as their folder has them");
    }
}

fn list(folder: &Path) -> io::Result<Found> {
    let (mut keys, mut foreign) = (BTreeMap::new(), Vec::new());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // What begins with a dot isn't there yet, or is the file system's own.
        if name.starts_with('.') {
            continue;
        }
        match kez_nats::session_keys::number(&name) {
            Some(number) => {
                keys.insert(number, load(&path).map_err(|why| format!("a session key can't be used: {why}")));
            }
            None => foreign.push(format!("{} isn't named as a session key is, <number>.nk", path.display())),
        }
    }
    // A folder has no order.
    foreign.sort();
    Ok((keys, foreign))
}

fn load(path: &Path) -> Result<TokenKey, String> {
    let text = kez_nats::read_seed(path).map_err(|e| e.with_cause())?;
    let wrong = || format!("{} isn't the seed of a NATS user (SU…)", path.display());
    let (prefix, seed) = nkeys::decode_seed(&text).map_err(|_| wrong())?;
    if !matches!(KeyPairType::from(prefix), KeyPairType::User) {
        return Err(wrong());
    }
    Ok(TokenKey::from_seed(&seed))
}

/// Folders of keys for the tests of this crate.
#[cfg(test)]
pub mod testing {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::PermissionsExt,
        path::Path,
    };

    use nkeys::{KeyPair, KeyPairType};

    /// A folder; the key of a number is made of it.
    pub struct Folder(tempfile::TempDir);

    impl Folder {
        pub fn with(numbers: &[u8]) -> Self {
            let folder = Self(tempfile::tempdir().unwrap());
            numbers.iter().for_each(|&n| folder.add(n));
            folder
        }

        pub fn path(&self) -> &Path {
            self.0.path()
        }

        pub fn add(&self, number: u8) {
            let seed = KeyPair::new_from_raw(KeyPairType::User, [number; 32]).unwrap().seed().unwrap();
            self.write(&format!("{number}.nk"), &format!("{seed}\n"));
        }

        pub fn write(&self, name: &str, text: &str) {
            let path = self.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
        }

        pub fn remove(&self, number: u8) {
            fs::remove_file(self.path().join(format!("{number}.nk"))).unwrap();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt};

    use nkeys::{KeyPair, KeyPairType};

    use super::{testing::Folder, *};

    fn kid(number: u8) -> String {
        TokenKey::from_seed(&[number; 32]).jwk().kid
    }

    fn kids(numbers: &[u8]) -> Vec<String> {
        numbers.iter().map(|&n| kid(n)).collect()
    }

    /// Keys, and a clock that a test moves.
    struct Watched {
        keys: SessionKeys,
        now: Instant,
    }

    impl Watched {
        fn load(folder: &Folder) -> Self {
            let now = Instant::now();
            Self { keys: SessionKeys::load(folder.path(), now).unwrap(), now }
        }

        /// Later, with the folder read again.
        fn after(&mut self, seconds: u64) -> &mut Self {
            self.now += Duration::from_secs(seconds);
            self.keys.refresh(self.now);
            self
        }

        fn public(&self) -> Vec<String> {
            self.keys.set().jwks().keys.into_iter().map(|jwk| jwk.kid).collect()
        }

        fn signer(&self) -> String {
            self.keys.set().signer(self.now).unwrap().jwk().kid
        }

        fn problems(&self) -> usize {
            self.keys.reading.lock().unwrap().problems.len()
        }
    }

    fn refused(folder: &Path) -> String {
        let failure = SessionKeys::load(folder, Instant::now()).map(drop).unwrap_err();
        assert_eq!(failure.kind, Kind::Configuration);
        failure.message
    }

    #[test]
    fn a_new_key_is_public_before_it_signs_and_the_old_one_goes_without_a_gap() {
        let folder = Folder::with(&[1]);
        let mut keys = Watched::load(&folder);
        assert_eq!((keys.public(), keys.signer()), (kids(&[1]), kid(1)), "the only key signs at once");

        folder.add(2);
        keys.after(10);
        assert_eq!((keys.public(), keys.signer()), (kids(&[2, 1]), kid(1)));
        let published = SESSION_KEY_PUBLISHED.as_secs();
        keys.after(published - 1);
        assert_eq!(keys.signer(), kid(1));
        keys.after(1);
        assert_eq!((keys.public(), keys.signer()), (kids(&[2, 1]), kid(2)));

        folder.remove(1);
        keys.after(10);
        assert_eq!((keys.public(), keys.signer()), (kids(&[2]), kid(2)));
    }

    #[test]
    fn the_numbers_leave_every_verifier_time() {
        let verifiers = kez_proto::limits::SESSION_KEYS_REFRESH;
        assert!(SESSION_KEY_PUBLISHED > verifiers + 2 * READ_AGAIN + READ_AT_MOST);
    }

    #[test]
    fn after_a_start_the_newest_of_several_keys_may_still_be_unknown_to_others() {
        let folder = Folder::with(&[9, 10, 11]);
        let mut keys = Watched::load(&folder);
        assert_eq!((keys.public(), keys.signer()), (kids(&[11, 10, 9]), kid(10)), "by number, not by name");
        keys.after(SESSION_KEY_PUBLISHED.as_secs());
        assert_eq!(keys.signer(), kid(11));
    }

    #[test]
    fn a_key_that_is_replaced_at_once_signs_at_once() {
        let folder = Folder::with(&[1]);
        let mut keys = Watched::load(&folder);
        folder.add(2);
        folder.remove(1);
        keys.after(10);
        assert_eq!((keys.public(), keys.signer()), (kids(&[2]), kid(2)));
    }

    #[test]
    fn a_folder_that_cannot_be_read_changes_nothing_and_is_told_once() {
        let folder = Folder::with(&[1, 2]);
        let mut keys = Watched::load(&folder);
        keys.after(SESSION_KEY_PUBLISHED.as_secs());
        folder.write("2.nk", "rubbish");
        folder.write("3.nk", "rubbish");
        keys.after(10);
        assert_eq!((keys.public(), keys.signer(), keys.problems()), (kids(&[2, 1]), kid(2), 2));
        // What is taken away on purpose is gone all the same.
        folder.remove(1);
        keys.after(10);
        assert_eq!((keys.public(), keys.problems()), (kids(&[2]), 2));
        folder.add(2);
        folder.add(3);
        keys.after(10);
        assert_eq!((keys.public(), keys.signer(), keys.problems()), (kids(&[3, 2]), kid(2), 0));

        folder.remove(2);
        folder.remove(3);
        keys.after(10);
        assert_eq!((keys.public(), keys.problems()), (kids(&[3, 2]), 1), "an emptied folder");
        drop(folder);
        keys.after(10);
        assert_eq!((keys.public(), keys.signer(), keys.problems()), (kids(&[3, 2]), kid(2), 1), "no folder");
    }

    #[test]
    fn the_folder_is_not_read_for_each_who_asks() {
        let folder = Folder::with(&[1]);
        let mut keys = Watched::load(&folder);
        folder.add(2);
        keys.after(0);
        assert_eq!(keys.public(), kids(&[1]));
        keys.after(1);
        assert_eq!(keys.public(), kids(&[2, 1]));
    }

    #[test]
    fn a_problem_is_told_once_for_as_long_as_it_lasts() {
        let mut reading = Reading { at: Instant::now(), problems: vec![] };
        let mut news = |problems: &[&str]| reading.news(problems.iter().map(ToString::to_string).collect());
        assert_eq!(news(&["a"]), ["a"]);
        assert_eq!(news(&["a"]), [""; 0]);
        assert_eq!(news(&["a", "b"]), ["b"]);
        assert_eq!(news(&[]), [""; 0]);
        assert_eq!(news(&["b"]), ["b"]);
    }

    #[test]
    fn files_that_are_no_keys() {
        let folder = Folder::with(&[7]);
        for name in ["README", "7.nk~", "07.nk", "+8.nk", "8.nk.bak", "key.nk", ".nk", "-1.nk"] {
            folder.write(name, "rubbish");
        }
        let keys = Watched::load(&folder);
        // One begins with a dot, as half-written files do.
        assert_eq!((keys.public(), keys.problems()), (kids(&[7]), 7));
    }

    #[test]
    fn no_start_without_a_key_that_can_be_read() {
        let folder = Folder::with(&[]);
        let message = refused(folder.path());
        assert!(message.contains("kez nats init") && message.contains("<number>.nk"), "{message}");
        let message = refused(&folder.path().join("nothing"));
        assert!(message.contains("kez nats init") && message.contains("nothing"), "{message}");

        let seed = |kind| KeyPair::new_from_raw(kind, [3; 32]).unwrap().seed().unwrap();
        for text in
            ["", "rubbish", &seed(KeyPairType::Account), &seed(KeyPairType::User)[1..], &"S".repeat(58)]
        {
            folder.write("1.nk", text);
            let message = refused(folder.path());
            assert!(message.contains("1.nk") && message.contains("SU…"), "{message}");
            assert!(text.is_empty() || !message.contains(text), "{message}");
        }
        folder.write("1.nk", &seed(KeyPairType::User));
        let file = folder.path().join("1.nk");
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        let message = refused(folder.path());
        assert!(message.ends_with(&format!("chmod 600 '{}'", file.display())), "{message}");
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        assert!(SessionKeys::load(folder.path(), Instant::now()).is_ok());
    }
}
