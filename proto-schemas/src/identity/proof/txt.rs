//! DNS: a TXT record at `_kez.<domain>` that holds the compact form. A record is a list of segments of at most 255 bytes (RFC 1035, 3.3.14), which are joined.

use super::{PREFIXES, Undecodable, compact, word};
use crate::ServerName;

const SEGMENT: usize = 255;

/// Where a domain's record is.
pub fn host(domain: &ServerName) -> String {
    format!("_kez.{domain}")
}

/// The segments of one record for an envelope's JSON.
pub fn encode(json: &[u8]) -> Vec<String> {
    let word = compact::encode(json);
    // The compact form is ASCII: a segment ends nowhere inside a character.
    word.as_bytes().chunks(SEGMENT).map(|s| String::from_utf8_lossy(s).into_owned()).collect()
}

/// The envelope's JSON of the one record that is a proof; `records` are all at the name, each with its segments. Other records are passed over. Several proofs
/// are refused as corrupt, because a resolver gives records in any order.
pub fn decode<R, S>(records: impl IntoIterator<Item = R>) -> Result<Vec<u8>, Undecodable>
where
    R: IntoIterator<Item = S>,
    S: AsRef<[u8]>,
{
    let joined = records.into_iter().map(|segments| {
        segments.into_iter().fold(Vec::new(), |mut record, s| {
            record.extend_from_slice(s.as_ref());
            record
        })
    });
    let mut proofs = joined.filter(|record| record.trim_ascii_start().starts_with(PREFIXES.as_bytes()));
    let proof = proofs.next().ok_or(Undecodable::Absent)?;
    let proof = String::from_utf8(proof).map_err(|_| Undecodable::Corrupt)?;
    if proofs.next().is_some() {
        return Err(Undecodable::Corrupt);
    }
    word(&proof)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_joined() {
        let json =
            format!(r#"{{"kez":"claim","x":"{:?}"}}"#, (0..300).map(|i| i * 7919 % 1000).collect::<Vec<_>>());
        let record = encode(json.as_bytes());
        assert!(record.len() > 1 && record.iter().all(|s| s.len() <= SEGMENT));
        let other = vec!["v=spf1 -all".to_owned()];
        assert_eq!(decode([other.clone(), record.clone()]).as_deref(), Ok(json.as_bytes()));
        assert_eq!(
            decode([["   ".to_owned()].into_iter().chain(record.clone())]).as_deref(),
            Ok(json.as_bytes())
        );

        assert_eq!(decode([other.clone()]), Err(Undecodable::Absent));
        assert_eq!(decode(Vec::<Vec<String>>::new()), Err(Undecodable::Absent));
        assert_eq!(decode([record[..1].to_vec(), other]), Err(Undecodable::Corrupt));
        assert_eq!(decode([record.clone(), record]), Err(Undecodable::Corrupt));
        assert_eq!(decode([["kez:z9:AAAA"]]), Err(Undecodable::Corrupt));
        assert_eq!(decode([[&b"kez:z1:"[..], &[0xff]]]), Err(Undecodable::Corrupt));
        assert_eq!(host(&"example.org".parse().unwrap()), "_kez.example.org");
    }
}
