//! A signed text from a file or from stdin.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use kez_client::sigchain::{Document, Unreadable};
use kez_proto::{identity::proof::Undecodable, limits::CHAIN_EXPORT_BYTES};

use crate::failure::Failure;

/// More than any form of the longest log.
const MOST: u64 = 2 * CHAIN_EXPORT_BYTES as u64;

/// Whether this names a file that is there, or stdin.
pub fn is_file(what: &str) -> bool {
    let path = Path::new(what);
    what == "-" || path.exists() && !path.is_dir()
}

/// Reads and verifies what is in this file; `-` is stdin.
pub fn read(file: &str) -> Result<Document, Failure> {
    let bytes = match file {
        "-" => bytes(io::stdin().lock()),
        path => File::open(path).and_then(bytes),
    };
    let name = if file == "-" { "stdin" } else { file };
    let bytes = bytes.map_err(|e| Failure::refused(format!("can't read {name}: {e}")))?;
    let document = if bytes.len() as u64 > MOST {
        Err(Undecodable::TooLarge.into())
    } else {
        let text = str::from_utf8(&bytes).map_err(|_| Unreadable::from(Undecodable::Corrupt));
        text.and_then(Document::read)
    };
    document.map_err(|why| {
        let message = format!("{name} isn't good: {why} ({})", why.as_str());
        Failure::Verdict { name: why.as_str(), message }
    })
}

fn bytes(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = vec![];
    from.take(MOST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
