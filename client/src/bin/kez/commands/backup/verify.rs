//! Whether every file of a backup is as it was written. Needs no server.

use std::{
    fs::{self, File},
    io::Read,
    path::Path,
};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::{
    Backup,
    manifest::{CHECKSUM, Manifest, NAME, Written, checksum},
};
use crate::{context::Context, failure::Failure, progress::Progress};

/// Reads all of it. What isn't right is named, file by file.
pub fn verify(context: &Context, dir: &Path) -> Result<Backup, Failure> {
    if !dir.join(NAME).is_file() {
        return Err(Failure::refused(format!("{} is no backup: it has no {NAME}", dir.display())));
    }
    let text = read(dir, NAME).map_err(damaged)?;
    if read(dir, CHECKSUM).map_err(damaged)? != checksum(&text).as_bytes() {
        return Err(damaged(format!("{NAME} isn't what {CHECKSUM} says")));
    }
    let manifest = Manifest::read(&text).map_err(|e| damaged(format!("{NAME}: {e}")))?;
    let mut progress = Progress::new(&context.out, "reading the backup".into());
    let mut wrong = vec![];
    for file in manifest.streams.iter().flat_map(|part| &part.files) {
        wrong.extend(compare(dir, file, &mut progress).err());
    }
    let files = manifest.files();
    for entry in fs::read_dir(dir).map_err(Failure::refused)?.flatten() {
        let name = entry.file_name();
        if !name.to_str().is_some_and(|name| files.contains(name)) {
            wrong.push(format!("{} isn't of this backup", name.display()));
        }
    }
    if wrong.is_empty() { Ok(Backup { dir: dir.into(), manifest }) } else { Err(damaged(wrong.join("; "))) }
}

fn compare(dir: &Path, written: &Written, progress: &mut Progress<'_>) -> Result<(), String> {
    let Written { name, bytes, sha256 } = written;
    let mut file = File::open(dir.join(name)).map_err(|e| format!("{name}: {e}"))?;
    let (mut digest, mut found, mut part) = (Sha256::new(), 0u64, vec![0; 1 << 20]);
    loop {
        match file.read(&mut part) {
            Ok(0) => break,
            Ok(n) => {
                digest.update(&part[..n]);
                found += n as u64;
                progress.add(n);
            }
            Err(e) => return Err(format!("{name}: {e}")),
        }
    }
    if found != *bytes {
        return Err(format!("{name} has {found} bytes, and {bytes} were written"));
    }
    if HEXLOWER.encode(&digest.finalize()) != *sha256 {
        return Err(format!("{name} isn't what was written"));
    }
    Ok(())
}

/// Small files alone.
fn read(dir: &Path, name: &str) -> Result<Vec<u8>, String> {
    let mut text = vec![];
    let file = File::open(dir.join(name)).map_err(|e| format!("{name}: {e}"))?;
    file.take(1 << 20).read_to_end(&mut text).map_err(|e| format!("{name}: {e}"))?;
    Ok(text)
}

fn damaged(what: String) -> Failure {
    let message = format!("the backup is damaged: {what}. Take another one, from another place or time");
    Failure::Verdict { name: "backup_damaged", message }
}
