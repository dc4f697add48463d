//! Which stream an inbox lives in.

use sha2::{Digest, Sha256};

use crate::Handle;

/// The partition of a handle, below `partitions`: the first eight bytes of SHA-256 of the handle, big-endian, modulo
/// `partitions`. Never changed: a deployment's mail would be lost to its readers.
///
/// # Panics
/// If `partitions` is 0.
pub fn of(handle: &Handle, partitions: u16) -> u16 {
    let digest = Sha256::digest(handle.as_str());
    let mut head = [0; 8];
    head.copy_from_slice(&digest[..8]);
    (u64::from_be_bytes(head) % u64::from(partitions)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_for_ever_and_spread() {
        let known = ["alice", "bob", "carol", "dave"].map(|h| of(&h.parse().unwrap(), 16));
        assert_eq!(known, [15, 10, 14, 3]);
        let mut counts = [0u32; 16];
        for i in 0..16_000 {
            counts[usize::from(of(&format!("user-{i}").parse().unwrap(), 16))] += 1;
        }
        assert!(counts.iter().all(|&n| (850..1150).contains(&n)), "{counts:?}");
    }
}
