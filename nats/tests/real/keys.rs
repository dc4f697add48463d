use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    thread,
};

use kez_nats::{Error, Keys, Owner};
use kez_proto::subjects::Role;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn problem(dir: &Path) -> String {
    match Keys::load_or_create(dir) {
        Err(Error::Keys { path, problem }) => format!("{} {problem}", path.display()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn made_once_and_kept_to_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("a/keys");
    let keys = Keys::load_or_create(&dir).unwrap();
    assert_eq!(mode(&dir), 0o700);
    let names = ["fanout.nk", "gateway.nk", "registry.nk", "sys.nk"].map(|n| dir.join(n));
    let mut there: Vec<_> = fs::read_dir(&dir).unwrap().map(|f| f.unwrap().path()).collect();
    there.sort();
    assert_eq!(there, names, "nothing else is left there");
    for path in names {
        assert_eq!(mode(&path), 0o600);
        let text = fs::read_to_string(path).unwrap();
        assert!(
            text.starts_with("SU") && text.ends_with('\n') && text.lines().count() == 1,
            "a seed and nothing else"
        );
    }
    let publics = |k: &Keys| {
        [k.public(Role::Registry), k.public(Role::Fanout), k.public(Role::Gateway), k.public(Owner::System)]
            .map(str::to_owned)
    };
    assert_eq!(publics(&Keys::load_or_create(&dir).unwrap()), publics(&keys));
    assert!(publics(&keys).iter().all(|p| p.starts_with('U')));
    assert_eq!(publics(&keys).into_iter().collect::<std::collections::HashSet<_>>().len(), 4);
}

#[test]
fn all_who_make_them_at_once_get_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("keys");
    let made = thread::scope(|scope| {
        let makers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| Keys::load_or_create(&dir).unwrap().public(Owner::System).to_owned()))
            .collect();
        makers.into_iter().map(|m| m.join().unwrap()).collect::<std::collections::HashSet<_>>()
    });
    assert_eq!(made.len(), 1);
}

#[test]
fn what_others_can_read_or_change_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let keys = Keys::load_or_create(dir.path()).unwrap();
    let file = keys.seed_file(Role::Fanout);
    for loose in [0o640, 0o604, 0o660] {
        fs::set_permissions(&file, Permissions::from_mode(loose)).unwrap();
        assert!(problem(dir.path()).ends_with(&format!("chmod 600 '{}'", file.display())));
    }
    fs::set_permissions(&file, Permissions::from_mode(0o400)).unwrap();
    Keys::load_or_create(dir.path()).unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o770)).unwrap();
    assert!(problem(dir.path()).contains("chmod 700"));
}

#[test]
fn a_file_that_holds_no_user_seed_is_refused_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let keys = Keys::load_or_create(dir.path()).unwrap();
    let file = keys.seed_file(Owner::System);
    let account = nkeys::KeyPair::new_account().seed().unwrap();
    let seed = fs::read_to_string(&file).unwrap();
    for bad in ["", "\n", "SUX", keys.public(Owner::System), &account, &seed.to_lowercase(), &seed.repeat(2)]
    {
        fs::write(&file, bad).unwrap();
        assert!(problem(dir.path()).contains("isn't the seed of a NATS user"), "{bad}");
        assert_eq!(fs::read_to_string(&file).unwrap(), bad);
    }
    fs::write(&file, seed.trim_end()).unwrap();
    assert_eq!(Keys::load_or_create(dir.path()).unwrap().public(Owner::System), keys.public(Owner::System));
}
