//! One word: `kez:z1:` and, in base64url without padding, the envelope's JSON compressed by zstd.

use data_encoding::BASE64URL_NOPAD;
use ruzstd::{
    decoding::{BlockDecodingStrategy, FrameDecoder, errors::FrameDecoderError},
    encoding::{CompressionLevel, compress_to_vec},
};

use super::{Undecodable, json_object};
use crate::limits::CLAIM_BYTES;

/// What the word begins with.
pub const PREFIX: &str = "kez:z1:";

/// The compact form of an envelope's JSON.
pub fn encode(json: &[u8]) -> String {
    pack(PREFIX, json)
}

/// The envelope's JSON, at most 16 KiB. White space anywhere is passed over.
pub fn decode(word: &str) -> Result<Vec<u8>, Undecodable> {
    json_object(&unpack(PREFIX, word, CLAIM_BYTES)?)
}

/// `prefix`, and these bytes compressed.
pub(crate) fn pack(prefix: &str, bytes: &[u8]) -> String {
    prefix.to_owned() + &BASE64URL_NOPAD.encode(&compress_to_vec(bytes, CompressionLevel::Fastest))
}

/// What [`pack`] packed, at most `max` bytes. Without the prefix it is absent.
pub(crate) fn unpack(prefix: &str, word: &str, max: usize) -> Result<Vec<u8>, Undecodable> {
    let word = word.trim_start();
    let rest = word.strip_prefix(prefix).ok_or(Undecodable::Absent)?;
    // Compression may cost a little, base64 a third, and line ends what they like.
    if rest.len() > 2 * max + 1024 {
        return Err(Undecodable::TooLarge);
    }
    let rest: String = rest.split_whitespace().collect();
    let packed = BASE64URL_NOPAD.decode(rest.as_bytes()).map_err(|_| Undecodable::Corrupt)?;
    inflate(&packed, max)
}

/// The window that every decoder of zstd should have room for (RFC 8878, 3.1.1.1.2).
const WINDOW: u64 = 8 * 1024 * 1024;

/// Exactly one frame of zstd, inflated by one block more than `max` at most.
fn inflate(mut packed: &[u8], max: usize) -> Result<Vec<u8>, Undecodable> {
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(WINDOW);
    decoder.init(&mut packed).map_err(|e| match e {
        FrameDecoderError::WindowSizeTooBig { .. } => Undecodable::TooLarge,
        _ => Undecodable::Corrupt,
    })?;
    if decoder.content_size() > max as u64 {
        return Err(Undecodable::TooLarge);
    }
    let step = BlockDecodingStrategy::UptoBytes(max + 1);
    let whole = decoder.decode_blocks(&mut packed, step).map_err(|_| Undecodable::Corrupt)?;
    if !whole {
        return Err(Undecodable::TooLarge);
    }
    let bytes = decoder.collect().ok_or(Undecodable::Corrupt)?;
    let sum = decoder.get_checksum_from_data();
    if bytes.len() > max {
        Err(Undecodable::TooLarge)
    } else if !packed.is_empty() || sum.is_some() && sum != decoder.get_calculated_checksum() {
        Err(Undecodable::Corrupt)
    } else {
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_passed_over_and_damage_is_noticed() {
        let json = br#"{"kez":"claim","payload":{},"signature":{"alg":"","key":"","sig":""}}"#;
        let word = encode(json);
        assert_eq!(decode(&word).unwrap(), json);
        let wrapped: Vec<_> = word.as_bytes().chunks(9).map(|c| str::from_utf8(c).unwrap()).collect();
        assert_eq!(
            decode(&format!("\n {PREFIX}{}\r\n", wrapped.join("\n\t").replace("kez:z1:", "").trim_start()))
                .unwrap(),
            json
        );

        assert_eq!(decode(""), Err(Undecodable::Absent));
        assert_eq!(decode("kez"), Err(Undecodable::Absent));
        assert_eq!(decode(PREFIX), Err(Undecodable::Corrupt));
        assert_eq!(decode(&word[..word.len() - 4]), Err(Undecodable::Corrupt));
        assert_eq!(decode(&format!("{word}AAAA")), Err(Undecodable::Corrupt));
        assert_eq!(decode(&format!("{word}==")), Err(Undecodable::Corrupt));
        assert_eq!(decode(&pack(PREFIX, b"[1]")), Err(Undecodable::Corrupt));
        for at in PREFIX.len()..word.len() {
            let mut damaged = word.clone().into_bytes();
            damaged[at] = if damaged[at] == b'A' { b'B' } else { b'A' };
            // The checksum is over what was inflated: a change that inflates to the same is none.
            if let Ok(other) = decode(str::from_utf8(&damaged).unwrap()) {
                assert_eq!(other, json);
            }
        }
    }

    #[test]
    fn a_bomb_is_refused_before_it_goes_off() {
        // Blocks of 128 KiB, of one letter each: 4 bytes that inflate to 131,072.
        let mut bomb = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x68];
        for _ in 0..1_000_000 / 8 {
            bomb.extend([0x02, 0x00, 0x10, b'{']);
        }
        let started_with = bomb.len();
        assert!(started_with < 2 * 1024 * 1024, "and would be 16 GB");
        assert_eq!(inflate(&bomb, CLAIM_BYTES), Err(Undecodable::TooLarge));
        // One that says its size is refused for that.
        let said = [0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0x01, 0x40, 0x00, 0x00, 0x03, 0x00, 0x10, b'{'];
        assert_eq!(inflate(&said, CLAIM_BYTES), Err(Undecodable::TooLarge));
        // A window that would need gigabytes isn't made.
        assert_eq!(
            inflate(&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0, 0], CLAIM_BYTES),
            Err(Undecodable::TooLarge)
        );
        // Room for 16 KiB and not a byte more.
        let most = vec![b' '; CLAIM_BYTES];
        assert_eq!(unpack(PREFIX, &pack(PREFIX, &most), CLAIM_BYTES).unwrap(), most);
        assert_eq!(
            unpack(PREFIX, &pack(PREFIX, &[most, vec![b' ']].concat()), CLAIM_BYTES),
            Err(Undecodable::TooLarge)
        );
    }
}
