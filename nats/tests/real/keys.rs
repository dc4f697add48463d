use std::{
    collections::HashSet,
    fs::{self, Permissions},
    io::ErrorKind,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
    thread,
};

use kez_nats::{
    Error, Keys, Owner,
    rotation::{self, Group},
    session_keys,
};
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
    let session = dir.join("session");
    assert_eq!(keys.session_keys(), session);
    assert_eq!(mode(&session), 0o700);
    let mut files: Vec<_> = Owner::all().map(|owner| (keys.seed_file(owner), seed_of(owner))).collect();
    files.push((session.join("1.nk"), "SU"));
    let mut there: Vec<_> = [&dir, &session]
        .into_iter()
        .flat_map(|d| fs::read_dir(d).unwrap())
        .map(|f| f.unwrap().path())
        .collect();
    there.retain(|path| *path != session);
    there.sort();
    let mut names: Vec<_> = files.iter().map(|(path, _)| path.clone()).collect();
    names.sort();
    assert_eq!(there, names, "nothing else is left there");
    for (path, kind) in &files {
        assert_eq!(mode(path), 0o600);
        let text = fs::read_to_string(path).unwrap();
        assert!(
            text.starts_with(kind) && text.ends_with('\n') && text.lines().count() == 1,
            "{}: a seed and nothing else",
            path.display()
        );
    }
    let publics = |k: &Keys| Owner::all().map(|owner| k.public(owner).to_owned()).collect::<Vec<_>>();
    assert_eq!(publics(&Keys::load_or_create(&dir).unwrap()), publics(&keys));
    for (owner, public) in Owner::all().zip(publics(&keys)) {
        assert_eq!(public[..1], seed_of(owner)[1..], "{owner:?}");
    }
    assert_eq!(publics(&keys).into_iter().collect::<HashSet<_>>().len(), Owner::all().count());
}

/// How the seed of this key begins.
fn seed_of(owner: Owner) -> &'static str {
    match owner {
        Owner::CalloutIssuer => "SA",
        Owner::CalloutXkey => "SX",
        _ => "SU",
    }
}

#[test]
fn session_keys_that_are_there_are_all_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let keys = Keys::load_or_create(dir.path()).unwrap();
    let (first, second) = (keys.session_keys().join("1.nk"), keys.session_keys().join("2.nk"));
    fs::rename(&first, &second).unwrap();
    Keys::load_or_create(dir.path()).unwrap();
    assert!(second.exists() && !first.exists(), "an operator who took the first away meant it");
}

#[test]
fn session_keys_are_looked_at_as_the_others_are() {
    let dir = tempfile::tempdir().unwrap();
    let keys = Keys::load_or_create(dir.path()).unwrap();
    let (session, file) = (keys.session_keys(), keys.session_keys().join("1.nk"));
    let loaded = || match Keys::load(dir.path()) {
        Ok(_) => String::new(),
        Err(error) => error.with_cause(),
    };
    assert_eq!(loaded(), "");
    let chmod = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    for loose in [0o640, 0o604] {
        chmod(&file, loose);
        assert!(loaded().ends_with(&format!("chmod 600 '{}'", file.display())), "{}", loaded());
    }
    chmod(&file, 0o600);
    chmod(&session, 0o777);
    assert!(loaded().ends_with(&format!("chmod 700 '{}'", session.display())), "{}", loaded());
    chmod(&session, 0o700);
    let seed = fs::read_to_string(&file).unwrap();
    fs::write(&file, nkeys::KeyPair::new_account().seed().unwrap()).unwrap();
    assert!(loaded().contains("1.nk isn't the seed of a NATS user"), "{}", loaded());
    fs::write(&file, seed).unwrap();
    fs::rename(&file, session.join("first.nk")).unwrap();
    assert!(loaded().contains("has no <number>.nk"), "{}", loaded());
    fs::remove_dir_all(&session).unwrap();
    assert!(loaded().contains("session: No such file"), "{}", loaded());
}

#[test]
fn the_next_session_key_has_the_next_number() {
    let dir = tempfile::tempdir().unwrap();
    let keys = Keys::load_or_create(dir.path()).unwrap();
    let session = keys.session_keys();
    fs::rename(session.join("1.nk"), session.join("9.nk")).unwrap();
    for foreign in ["README", "12.nk.bak", "011.nk", ".13.nk"] {
        fs::write(session.join(foreign), "").unwrap();
    }
    let first = fs::read_to_string(session.join("9.nk")).unwrap();
    let (number, file) = session_keys::add(&session).unwrap();
    assert_eq!((number, file.as_path(), mode(&file)), (10, session.join("10.nk").as_path(), 0o600));
    let second = fs::read_to_string(&file).unwrap();
    assert!(second.starts_with("SU") && second != first, "a fresh seed of a user");
    assert_eq!(fs::read_to_string(session.join("9.nk")).unwrap(), first);
    Keys::load(dir.path()).unwrap();

    // Several at once get a number each.
    let made: HashSet<_> = thread::scope(|scope| {
        let makers: Vec<_> = (0..8).map(|_| scope.spawn(|| session_keys::add(&session).unwrap().0)).collect();
        makers.into_iter().map(|maker| maker.join().unwrap()).collect()
    });
    assert_eq!(made, (11..19).collect());

    fs::rename(&file, session.join(format!("{}.nk", u64::MAX))).unwrap();
    assert!(matches!(session_keys::add(&session), Err(Error::Keys { .. })));
    assert!(matches!(session_keys::add(&dir.path().join("nowhere")), Err(Error::Io { .. })));
}

#[test]
fn a_cluster_has_one_secret() {
    let dir = tempfile::tempdir().unwrap();
    let keys = Keys::load_or_create(dir.path()).unwrap();
    let file = dir.path().join("route.secret");
    assert!(!file.exists(), "a single server needs none");
    let secret = keys.route_secret().unwrap();
    assert_eq!((secret.len(), mode(&file)), (52, 0o600));
    assert_eq!(Keys::load_or_create(dir.path()).unwrap().route_secret().unwrap(), secret);
    for bad in ["", "hunter2", "MFRGGZDF", &secret.repeat(2)] {
        fs::write(&file, bad).unwrap();
        assert!(matches!(keys.route_secret(), Err(Error::Keys { .. })), "{bad}");
    }
}

#[test]
fn all_who_make_them_at_once_get_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("keys");
    let made = thread::scope(|scope| {
        let makers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| Keys::load_or_create(&dir).unwrap().public(Owner::System).to_owned()))
            .collect();
        makers.into_iter().map(|m| m.join().unwrap()).collect::<HashSet<_>>()
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

#[test]
fn keys_are_replaced_by_groups_and_the_old_ones_count_until_that_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let before = Keys::load_or_create(dir.path()).unwrap();
    assert!(!rotation::finish(dir.path()).unwrap(), "nothing was begun");
    let all = Group::Users.owners().len();
    assert_eq!(rotation::begin(dir.path(), Group::Users).unwrap(), all);
    assert_eq!(rotation::begin(dir.path(), Group::Users).unwrap(), 0, "once");
    let both = Keys::load(dir.path()).unwrap();
    for owner in Owner::all() {
        let accepted: Vec<_> = both.accepted(owner).collect();
        if Group::Users.owners().contains(&owner) {
            assert_eq!(accepted, [both.public(owner), before.public(owner)]);
            assert_ne!(both.public(owner), before.public(owner));
            assert_eq!(both.old(owner).unwrap().0, before.public(owner));
            assert_eq!(mode(&both.seed_file(owner)), 0o600);
        } else {
            assert_eq!(accepted, [before.public(owner)]);
        }
    }
    assert_eq!(rotation::begin(dir.path(), Group::Callout).unwrap(), Owner::all().count() - all);
    let keys = Keys::load_or_create(dir.path()).unwrap();
    assert_eq!(keys.configured(Owner::CalloutIssuer), before.public(Owner::CalloutIssuer));

    assert!(rotation::finish(dir.path()).unwrap());
    let after = Keys::load(dir.path()).unwrap();
    for owner in Owner::all() {
        assert_eq!(after.accepted(owner).collect::<Vec<_>>(), [keys.public(owner)]);
        assert_eq!(after.configured(owner), keys.public(owner));
    }
    assert!(!dir.path().join("old").exists());
    assert!(!rotation::finish(dir.path()).unwrap());
}

#[test]
fn a_replacing_that_was_cut_off_goes_on_where_it_stopped_and_is_not_finished_before() {
    let dir = tempfile::tempdir().unwrap();
    let before = Keys::load_or_create(dir.path()).unwrap();
    let [first, second, ..] = Group::Users.owners()[..] else { panic!("too few") };
    let (old, now) = (|owner: Owner| dir.path().join("old").join(format!("{}.nk", owner.name())), before);
    rotation::begin(dir.path(), Group::Users).unwrap();
    // As it is when it ends between the two names of a key: the others aren't begun.
    for owner in &Group::Users.owners()[1..] {
        fs::rename(old(*owner), now.seed_file(*owner)).unwrap();
    }
    fs::hard_link(now.seed_file(second), old(second)).unwrap();
    let cut = Keys::load(dir.path()).unwrap();
    assert_eq!(cut.public(second), now.public(second));
    assert!(cut.old(second).is_none() && cut.old(first).is_some());
    match rotation::finish(dir.path()) {
        Err(Error::Keys { problem, .. }) => assert!(problem.contains("begin it again"), "{problem}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(rotation::begin(dir.path(), Group::Users).unwrap(), Group::Users.owners().len() - 1);
    let whole = Keys::load(dir.path()).unwrap();
    for owner in Group::Users.owners() {
        assert_eq!(whole.old(owner).unwrap().0, now.public(owner));
        assert_eq!(whole.public(owner) == cut.public(owner), owner == first);
    }
    // Cut off between taking the old ones out of use and deleting them.
    fs::rename(dir.path().join("old"), dir.path().join("old.gone")).unwrap();
    assert!(!rotation::finish(dir.path()).unwrap());
    assert!(!dir.path().join("old.gone").exists());
    assert_eq!(Keys::load(dir.path()).unwrap().public(first), whole.public(first));
}

#[test]
fn what_a_killed_process_left_unfinished_is_deleted_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    Keys::load_or_create(dir.path()).unwrap();
    let (left, other) = (dir.path().join(".unfinished-x1Y2z3"), dir.path().join(".mine"));
    fs::write(&other, "").unwrap();
    let replace = || assert_ne!(rotation::begin(dir.path(), Group::Users).unwrap(), 0);
    let finish = || assert!(rotation::finish(dir.path()).unwrap());
    for step in [&replace as &dyn Fn(), &finish] {
        fs::write(&left, "SU").unwrap();
        step();
        assert!(!left.exists() && other.exists());
    }
}

/// Root alone can try it.
#[test]
fn keys_that_root_replaces_stay_their_users() {
    let dir = tempfile::tempdir().unwrap();
    let keys = Keys::load_or_create(dir.path()).unwrap();
    let files = Owner::all().map(|owner| keys.seed_file(owner));
    for path in files.chain([dir.path().to_owned()]) {
        match chown(&path, Some(1234), Some(2345)) {
            Err(e) if e.kind() == ErrorKind::PermissionDenied => {
                eprintln!("SKIPPED: this test needs to be root");
                return;
            }
            done => done.unwrap(),
        }
    }
    let all = rotation::begin(dir.path(), Group::Users).unwrap();
    assert_eq!(all, Group::Users.owners().len());
    let replaced = Keys::load(dir.path()).unwrap();
    let old = Group::Users.owners().into_iter().map(|owner| replaced.old(owner).unwrap().1);
    let files = Owner::all().map(|owner| keys.seed_file(owner));
    for path in files.chain(old).chain([dir.path().join("old")]) {
        let file = fs::metadata(&path).unwrap();
        assert_eq!((file.uid(), file.gid()), (1234, 2345), "{}", path.display());
    }
}
