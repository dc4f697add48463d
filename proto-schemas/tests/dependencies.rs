//! Every dependency has its reason in `docs/dependencies.md`, and every reason its dependency.

use std::{collections::BTreeSet, fs, path::Path};

#[test]
fn each_has_its_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();

    let manifest = read("Cargo.toml");
    let section = manifest.split("\n[").find_map(|s| s.strip_prefix("workspace.dependencies]")).unwrap();
    let entries =
        section.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
    let named: BTreeSet<_> =
        entries.filter(|(_, value)| !value.contains("path = ")).map(|(name, _)| name).collect();
    assert!(named.len() > 10, "the manifest isn't written as this test reads it");

    let document = read("docs/dependencies.md");
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let explained: BTreeSet<_> = rows.filter(|(_, reason)| reason.len() > 10).map(|(name, _)| name).collect();
    let missing: Vec<_> = named.difference(&explained).collect();
    let gone: Vec<_> = explained.difference(&named).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "docs/dependencies.md has no reason for {missing:?}, and one for {gone:?}, which nobody names"
    );
}
