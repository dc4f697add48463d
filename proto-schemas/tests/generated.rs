//! What is committed is what the contract says.

#[path = "../generate/mod.rs"]
mod generate;

use std::{collections::BTreeSet, fs, path::Path};

#[test]
fn generated_files_are_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = generate::files();
    for (path, text) in &files {
        let committed = fs::read_to_string(root.join(path)).unwrap_or_default();
        assert!(committed == *text, "{path} isn't what proto-schemas/src says: run make gen");
    }
    let there = fs::read_dir(root.join(generate::SCHEMAS)).unwrap();
    let there: BTreeSet<_> =
        there.map(|f| format!("{}/{}", generate::SCHEMAS, f.unwrap().file_name().display())).collect();
    let known = files.into_iter().map(|f| f.0).filter(|p| p.starts_with(generate::SCHEMAS)).collect();
    assert_eq!(there, known, "a schema of no type: run make gen");
}
