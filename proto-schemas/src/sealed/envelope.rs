//! The envelope of a sealed message on the wire: `{"v":2,"enc":…,"ct":…}`, both base64url without padding.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::{Refusal, VERSION};
use crate::json;

/// What travels: nothing in it names the sender or the recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// HPKE's encapsulated key: an X25519 public key, made for this message alone.
    pub enc: [u8; 32],
    /// The ciphertext, 16 bytes longer than what it hides.
    pub ct: Vec<u8>,
}

impl Sealed {
    /// Reads an envelope. Each has one spelling of `enc` and `ct`, and no member beside the three.
    ///
    /// Errors: `malformed_envelope`, or `unknown_version` if `v` is another number.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let envelope = json::parse_strict(bytes).map_err(|_| Refusal::MalformedEnvelope)?;
        let version = envelope["v"].as_f64().ok_or(Refusal::MalformedEnvelope)?;
        if version != f64::from(VERSION) {
            return Err(Refusal::UnknownVersion);
        }
        let decode = |member: &str| -> Option<Vec<u8>> {
            BASE64URL_NOPAD.decode(envelope[member].as_str()?.as_bytes()).ok()
        };
        let three = envelope.as_object().is_some_and(|members| members.len() == 3);
        let enc = decode("enc").and_then(|enc| enc.try_into().ok());
        match (enc, decode("ct")) {
            (Some(enc), Some(ct)) if three => Ok(Self { enc, ct }),
            _ => Err(Refusal::MalformedEnvelope),
        }
    }

    /// The envelope.
    pub fn to_json(&self) -> Value {
        let [enc, ct] = [&self.enc[..], &self.ct].map(|bytes| BASE64URL_NOPAD.encode(bytes));
        json!({ "v": VERSION, "enc": enc, "ct": ct })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let sealed = Sealed { enc: [7; 32], ct: vec![0, 255, 1] };
        let text = sealed.to_json().to_string();
        assert_eq!(text, format!(r#"{{"ct":"AP8B","enc":"{}Bwc","v":2}}"#, "BwcH".repeat(10)));
        assert_eq!(Sealed::parse(text.as_bytes()), Ok(sealed));
    }
}
