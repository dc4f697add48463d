//! Padding, so that the length of a message tells only its bucket: `u32 big-endian length ‖ JSON ‖ zeros`, up to the next of 512·2ⁿ bytes. The last bucket is
//! [`PADDED_MAX`], for the one of 256 KiB would make an envelope that no server takes.

use super::Refusal;
use crate::limits::SEALED_JSON_BYTES;

/// Bytes of the smallest bucket.
pub const PADDED_MIN: usize = 512;
/// Bytes of the largest bucket: exactly the longest JSON.
pub const PADDED_MAX: usize = LENGTH + SEALED_JSON_BYTES;
/// Bytes of the length in front.
const LENGTH: usize = 4;

/// Bytes of the bucket for JSON of this many bytes; `None` beyond [`SEALED_JSON_BYTES`].
pub fn padded_len(json: usize) -> Option<usize> {
    let bucket = || (json + LENGTH).next_power_of_two().clamp(PADDED_MIN, PADDED_MAX);
    (json <= SEALED_JSON_BYTES).then(bucket)
}

/// Pads JSON; `None` if it is longer than [`SEALED_JSON_BYTES`].
pub fn pad(json: &[u8]) -> Option<Vec<u8>> {
    let len = padded_len(json.len())?;
    // In one piece: a buffer that grew would leave copies of the message behind.
    let mut padded = Vec::with_capacity(len);
    padded.extend_from_slice(&u32::try_from(json.len()).ok()?.to_be_bytes());
    padded.extend_from_slice(json);
    padded.resize(len, 0);
    Some(padded)
}

/// The JSON within. `bad_padding` unless it stands in its own bucket, with zeros alone behind it: one message has one padded form.
pub fn unpad(padded: &[u8]) -> Result<&[u8], Refusal> {
    let (length, rest) = padded.split_first_chunk::<LENGTH>().ok_or(Refusal::BadPadding)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| Refusal::BadPadding)?;
    if padded_len(length) != Some(padded.len()) {
        return Err(Refusal::BadPadding);
    }
    let (json, zeros) = rest.split_at(length);
    if zeros.iter().all(|byte| *byte == 0) { Ok(json) } else { Err(Refusal::BadPadding) }
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;

    use super::*;
    use crate::limits::ENVELOPE_BYTES;

    #[test]
    fn buckets_and_their_borders() {
        for (json, bucket) in [
            (0, Some(512)),
            (508, Some(512)),
            (509, Some(1024)),
            (1020, Some(1024)),
            (1021, Some(2048)),
            (131_068, Some(131_072)),
            (131_069, Some(180_228)),
            (180_224, Some(180_228)),
            (180_225, None),
            (usize::MAX, None),
        ] {
            assert_eq!(padded_len(json), bucket, "{json}");
        }
        for json in (0..5000).chain([131_068, 131_069, 180_223, 180_224]) {
            let json = vec![b'x'; json];
            assert_eq!(unpad(&pad(&json).unwrap()), Ok(&json[..]));
        }
        assert_eq!(pad(&vec![b'x'; 180_225]), None);
    }

    #[test]
    fn the_largest_message_is_an_envelope_that_servers_take() {
        let envelope = r#"{"v":2,"enc":"","ct":""}"#.len();
        let texts = BASE64URL_NOPAD.encode_len(32) + BASE64URL_NOPAD.encode_len(PADDED_MAX + 16);
        assert!(envelope + texts <= ENVELOPE_BYTES);
    }

    #[test]
    fn another_padded_form_is_refused() {
        let good = pad(b"{}").unwrap();
        let mut bad = vec![vec![], good[..3].to_vec(), good[..511].to_vec(), [&good[..], &[0]].concat()];
        // The next bucket, filled with zeros; the last byte; the byte behind the JSON; a length beyond the bucket, and beyond everything.
        bad.push([&good[..], &[0; 512]].concat());
        for (at, value) in [(511, 1), (6, 1), (2, 2), (0, 255)] {
            let mut changed = good.clone();
            changed[at] = value;
            bad.push(changed);
        }
        for padded in bad {
            assert_eq!(unpad(&padded), Err(Refusal::BadPadding), "{} bytes", padded.len());
        }
    }
}
