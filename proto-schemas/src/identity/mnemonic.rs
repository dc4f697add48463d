//! The words that a secret key is written down as (BIP-39, English). The key is the seed itself or its hash (kez-formats): neither BIP-39's PBKDF2 nor BIP-32 has a part in it.

use bip39::{Language, Mnemonic};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// What the entropy of twelve words is hashed behind.
const TWELVE: &[u8] = b"kez-bip39-12-v1";
/// Bytes of a phrase that can be one: 24 words of at most 8 letters, and all the white space that somebody may have typed.
const MAX: usize = 4096;

/// Why a phrase has no key. Says where, never what: an error may be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPhrase {
    /// It has neither 12 nor 24 words.
    #[error("a phrase has 12 or 24 words, this one has {0}")]
    WordCount(usize),
    /// The word at this place, from 1, isn't in the list.
    #[error("word {0} isn't in the list")]
    UnknownWord(usize),
    /// The words are in the list, but don't belong together: one is wrong, or two changed places.
    #[error("the words don't fit together: one is wrong or in another's place")]
    Checksum,
}

/// The Ed25519 seed of a phrase: the entropy of 24 words, or SHA-256 of `kez-bip39-12-v1` and the entropy of 12. Any white space is between words, and
/// upper case is as good as lower.
pub fn seed(phrase: &str) -> Result<Zeroizing<[u8; 32]>, BadPhrase> {
    let count = phrase.split_whitespace().count();
    if !matches!(count, 12 | 24) || phrase.len() > MAX {
        return Err(BadPhrase::WordCount(count));
    }
    let phrase = Zeroizing::new(phrase.to_ascii_lowercase());
    let words = Mnemonic::parse_in_normalized(Language::English, &phrase).map_err(|e| match e {
        bip39::Error::UnknownWord(at) => BadPhrase::UnknownWord(at + 1),
        _ => BadPhrase::Checksum,
    })?;
    let (entropy, length) = words.to_entropy_array();
    let entropy = Zeroizing::new(entropy);
    let mut seed = Zeroizing::new([0; 32]);
    match length {
        32 => seed.copy_from_slice(&entropy[..32]),
        _ => Sha256::new()
            .chain_update(TWELVE)
            .chain_update(&entropy[..length])
            .finalize_into((&mut *seed).into()),
    }
    Ok(seed)
}

/// The 24 words of an Ed25519 seed.
pub fn of_seed(seed: &[u8; 32]) -> Zeroizing<String> {
    words(seed)
}

/// The 12 words of fresh entropy; [`seed`] gives their key. There is no way back from a key to twelve words.
pub fn of_entropy(entropy: &[u8; 16]) -> Zeroizing<String> {
    words(entropy)
}

fn words(entropy: &[u8]) -> Zeroizing<String> {
    let mnemonic = Mnemonic::from_entropy_in(Language::English, entropy);
    let mnemonic = mnemonic.expect("BIP-39 has words for 16 and for 32 bytes");
    // Of its full size at once: a string that grows leaves pieces of itself behind.
    let mut phrase = Zeroizing::new(String::with_capacity(24 * 9));
    for word in mnemonic.words() {
        if !phrase.is_empty() {
            phrase.push(' ');
        }
        phrase.push_str(word);
    }
    phrase
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelled_as_people_type() {
        let want =
            seed("legal winner thank year wave sausage worth useful legal winner thank yellow").unwrap();
        let typed =
            "\n Legal\u{3000}WINNER thank\tyear wave\r\nsausage worth useful legal winner  thank yellow ";
        assert_eq!(seed(typed), Ok(want));
    }

    #[test]
    fn what_is_no_phrase() {
        let twelve = of_entropy(&[7; 16]);
        for bad in ["", "abandon", &"abandon ".repeat(15), &format!("{} abandon", *twelve)] {
            assert_eq!(seed(bad), Err(BadPhrase::WordCount(bad.split_whitespace().count())));
        }
        assert_eq!(seed(&"abandon ".repeat(12)), Err(BadPhrase::Checksum));
        let wrong = format!("{}abandonn", "abandon ".repeat(11));
        assert_eq!(seed(&wrong), Err(BadPhrase::UnknownWord(12)));
        assert!(seed(&"a".repeat(1 << 20)).is_err());
    }

    #[test]
    fn seeds_read_back_from_their_words() {
        for byte in [0, 1, 0x42, 0xff] {
            let phrase = of_seed(&[byte; 32]);
            assert_eq!(phrase.split(' ').count(), 24);
            assert_eq!(*seed(&phrase).unwrap(), [byte; 32]);
            assert_eq!(of_entropy(&[byte; 16]).split(' ').count(), 12);
        }
    }
}
