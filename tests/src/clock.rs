//! A wrong clock for a process, by the library of the package `faketime`.

use std::fs;

/// What a process is started with whose clock is ten minutes ahead. Where the library isn't there is none, and the test proves nothing: told here, and a
/// failure in CI, which must have it.
pub fn ahead() -> Option<Vec<(&'static str, String)>> {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut libraries = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    let Some(library) = libraries.find(|library| library.is_file()) else {
        assert!(std::env::var_os("CI").is_none(), "this test must be able to give a process a wrong clock");
        eprintln!("SKIPPED: this test needs the package faketime");
        return None;
    };
    Some(vec![
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME", "+10m".into()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
    ])
}
