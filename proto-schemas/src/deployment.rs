//! What a deployment fixed once, when it was created; kept as metadata of the registry's stream, where every service reads it.

use std::collections::HashMap;

use crate::ServerName;

const SERVER: &str = "kez.server";
const EPOCH: &str = "kez.epoch";
const PARTITIONS: &str = "kez.partitions";

/// Metadata of every stream of a restore that isn't complete: there is no deployment yet.
pub const RESTORING: &str = "kez.restoring";

/// Whether these are the metadata of a stream that is being restored.
pub fn is_being_restored(metadata: &HashMap<String, String>) -> bool {
    metadata.contains_key(RESTORING)
}

/// The facts of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The part behind the `@`.
    pub server: ServerName,
    /// Sequences count within an epoch; a restore from a backup begins another.
    pub epoch: String,
    /// Streams that mail is spread over.
    pub partitions: u16,
}

impl Deployment {
    /// As metadata of [`crate::subjects::REGISTRY_STREAM`].
    pub fn to_metadata(&self) -> HashMap<String, String> {
        [
            (SERVER, self.server.to_string()),
            (EPOCH, self.epoch.clone()),
            (PARTITIONS, self.partitions.to_string()),
        ]
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v))
        .collect()
    }

    /// Reads the metadata back; `None` if the stream isn't one of ours.
    pub fn from_metadata(metadata: &HashMap<String, String>) -> Option<Self> {
        let partitions = metadata
            .get(PARTITIONS)?
            .parse()
            .ok()
            .filter(|p| (1..=crate::limits::PARTITIONS_MAX).contains(p))?;
        Some(Self {
            server: metadata.get(SERVER)?.parse().ok()?,
            epoch: metadata.get(EPOCH)?.clone(),
            partitions,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_wrote_and_nothing_else() {
        let deployment =
            Deployment { server: "kez.lat".parse().unwrap(), epoch: "a1".into(), partitions: 16 };
        let mut metadata = deployment.to_metadata();
        assert_eq!(Deployment::from_metadata(&metadata), Some(deployment));
        metadata.insert(PARTITIONS.into(), "0".into());
        assert_eq!(Deployment::from_metadata(&metadata), None);
        assert_eq!(Deployment::from_metadata(&HashMap::new()), None);
    }
}
