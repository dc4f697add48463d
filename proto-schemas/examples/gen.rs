//! `make gen`: writes what is generated from the contract.

#[path = "../generate/mod.rs"]
mod generate;

use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let schemas = root.join(generate::SCHEMAS);
    if schemas.exists() {
        fs::remove_dir_all(&schemas)?;
    }
    fs::create_dir_all(&schemas)?;
    generate::files().into_iter().try_for_each(|(path, text)| fs::write(root.join(path), text))
}
