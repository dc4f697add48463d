//! What a backup says of itself: `manifest.json`, with a checksum of its own beside it.

use std::collections::HashSet;

use kez_proto::{ServerName, Timestamp, limits::PARTITIONS_MAX, subjects};
use serde::{Deserialize, Serialize};

use super::folder::{Unfinished, digest};
use crate::{failure::Failure, operator::streams_of};

/// The form that is written, and the only one that is read.
pub const FORMAT: u32 = 1;
/// Its file.
pub const NAME: &str = "manifest.json";
/// The file with its checksum, as `sha256sum -c` takes it.
pub const CHECKSUM: &str = "manifest.json.sha256";

/// Content of [`NAME`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// See [`FORMAT`].
    pub format: u32,
    /// The version of `kez` that wrote it.
    pub version: String,
    /// The deployment's name.
    pub server: ServerName,
    /// The deployment's epoch when it was copied; a restore begins another.
    pub epoch: String,
    /// Streams that mail is spread over.
    pub partitions: u16,
    /// What was acknowledged before is in it.
    pub began_at: Timestamp,
    /// What came later isn't.
    pub ended_at: Timestamp,
    /// The streams, in the order in which they were copied.
    pub streams: Vec<Part>,
}

/// One stream's part of a backup.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The stream's name.
    pub stream: String,
    /// Messages in it when its copy began, as are the other numbers; what came meanwhile may be in the copy.
    pub messages: u64,
    /// Bytes of those in the store.
    pub bytes: u64,
    /// The sequence of the first one.
    pub first_sequence: u64,
    /// The last sequence that was given.
    pub last_sequence: u64,
    /// The stream's configuration, and its content.
    pub files: [Written; 2],
}

/// A file, as it was written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Its name in the backup.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 in hex.
    pub sha256: String,
}

impl Part {
    /// The file of a stream's configuration.
    pub fn stream_name(stream: &str) -> String {
        format!("{stream}.json")
    }

    /// The file of a stream's content.
    pub fn snapshot_name(stream: &str) -> String {
        format!("{stream}.tar.s2")
    }
}

impl Manifest {
    /// Reads one that is whole and of this form.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        if manifest.format != FORMAT {
            return Err(format!("its format is {}, and this kez reads {FORMAT}", manifest.format));
        }
        if !(1..=PARTITIONS_MAX).contains(&manifest.partitions) {
            return Err(format!("it names {} partitions", manifest.partitions));
        }
        let named: Vec<_> = manifest.streams.iter().map(|part| part.stream.as_str()).collect();
        let mut expected = streams_of(manifest.partitions);
        if named.len() + 1 == expected.len() {
            expected.retain(|name| name != subjects::SIGCHAIN_STREAM);
        }
        if named != expected {
            return Err("it doesn't have the streams of a deployment".into());
        }
        let right = |part: &Part| {
            let names = [Part::stream_name(&part.stream), Part::snapshot_name(&part.stream)];
            part.files.iter().map(|file| &file.name).eq(&names)
        };
        if !manifest.streams.iter().all(right) {
            return Err("it names files that no backup has".into());
        }
        Ok(manifest)
    }

    /// Writes it with its checksum.
    pub async fn write(&self, folder: &mut Unfinished) -> Result<(), Failure> {
        let mut text = serde_json::to_vec_pretty(self).map_err(Failure::refused)?;
        text.push(b'\n');
        for (name, text) in [(NAME, text.as_slice()), (CHECKSUM, checksum(&text).as_bytes())] {
            let mut file = folder.create(name)?;
            file.write(text)?;
            file.finish().await?;
        }
        Ok(())
    }

    /// The names of all files of the backup.
    pub fn files(&self) -> HashSet<&str> {
        let parts = self.streams.iter().flat_map(|part| &part.files);
        parts.map(|file| file.name.as_str()).chain([NAME, CHECKSUM]).collect()
    }

    /// Messages in the inboxes.
    pub fn mail(&self) -> u64 {
        let others = [subjects::REGISTRY_STREAM, subjects::SIGCHAIN_STREAM];
        let inboxes = self.streams.iter().filter(|part| !others.contains(&part.stream.as_str()));
        inboxes.map(|part| part.messages).sum()
    }

    /// Messages in this stream.
    pub fn messages_in(&self, stream: &str) -> u64 {
        self.streams.iter().find(|part| part.stream == stream).map_or(0, |part| part.messages)
    }
}

/// Content of [`CHECKSUM`] for this manifest.
pub fn checksum(manifest: &[u8]) -> String {
    format!("{}  {NAME}\n", digest(manifest))
}
