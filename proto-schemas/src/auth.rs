//! Signatures of HTTP requests. Each endpoint signs a string of its own, so that a signature captured at one serves at no other.

use std::fmt;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Code, Handle, Primary, ServerName, Timestamp};

/// What a caller signs to read a page of mail: `GET /v1/inbox/<handle>?since=<n>`; no `since` is signed as 0.
pub fn poll_text(handle: &Handle, since: u64, ts: i64) -> String {
    format!("GET\n/v1/inbox/{handle}\nsince={since}\n{ts}")
}

/// What a caller signs to open `GET /v1/inbox/<handle>/stream`.
pub fn stream_text(handle: &Handle, ts: i64) -> String {
    format!("GET\n/v1/inbox/{handle}/stream\n{ts}")
}

/// What a caller signs for every other request: bound to the server, the method, the path and query as sent, and the body.
pub fn request_text(server: &ServerName, method: &str, target: &str, body: &[u8], ts: i64) -> String {
    format!("KEZ-HTTP-v1\n{server}\n{method}\n{target}\n{}\n{ts}", HEXLOWER.encode(&Sha256::digest(body)))
}

/// A caller's `<unix seconds>:<128 hex>`, as it was presented; parsed and verified by the owner of the data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Credential(pub String);

impl Credential {
    /// Verifies that `primary` signed the text that `text` makes of the time inside, and that this time, which it gives back in Unix seconds, is at most
    /// `max_age` seconds before `now` and at most 60 s after. Errors: `malformed_auth`, `stale_timestamp`, `bad_signature`.
    pub fn verify(
        &self,
        primary: &Primary,
        now: Timestamp,
        max_age: i64,
        text: impl FnOnce(i64) -> String,
    ) -> Result<i64, Code> {
        let (ts, sig) = self.0.split_once(':').ok_or(Code::MalformedAuth)?;
        let seconds: i64 = ts.parse().map_err(|_| Code::MalformedAuth)?;
        // One spelling of a time only: what is signed is the number's own digits.
        if ts != seconds.to_string() || sig.len() != 128 || HEXLOWER.decode(sig.as_bytes()).is_err() {
            return Err(Code::MalformedAuth);
        }
        let age = now.unix().saturating_sub(seconds);
        if age > max_age || age < -crate::limits::REQUEST_SKEW_SECS {
            return Err(Code::StaleTimestamp);
        }
        primary.verify(text(seconds).as_bytes(), sig)?;
        Ok(seconds)
    }
}

/// What a caller presented, unchecked: a session token, a signature, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// `Authorization: Bearer`; see [`crate::session`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// `X-KEZ-Auth`, or `?auth=` on a stream. Beside a token, it is the session key's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Credential>,
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};

    use super::*;

    #[test]
    fn a_signature_serves_at_its_own_endpoint_and_time_only() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let primary = Primary::from_bytes(key.verifying_key().as_bytes()).unwrap();
        let alice: Handle = "alice".parse().unwrap();
        let sign = |text: String, ts: i64| {
            Credential(format!("{ts}:{}", HEXLOWER.encode(&key.sign(text.as_bytes()).to_bytes())))
        };
        let at = |ts| Timestamp::from_unix(ts).unwrap();
        let poll = sign(poll_text(&alice, 5, 1000), 1000);
        let stream = sign(stream_text(&alice, 1000), 1000);

        assert_eq!(poll.verify(&primary, at(1000), 60, |ts| poll_text(&alice, 5, ts)), Ok(1000));
        assert_eq!(poll.verify(&primary, at(1060), 60, |ts| poll_text(&alice, 5, ts)), Ok(1000));
        assert_eq!(poll.verify(&primary, at(940), 60, |ts| poll_text(&alice, 5, ts)), Ok(1000));
        assert_eq!(
            poll.verify(&primary, at(1061), 60, |ts| poll_text(&alice, 5, ts)),
            Err(Code::StaleTimestamp)
        );
        assert_eq!(
            poll.verify(&primary, at(939), 60, |ts| poll_text(&alice, 5, ts)),
            Err(Code::StaleTimestamp)
        );
        assert_eq!(
            poll.verify(&primary, at(1000), 60, |ts| poll_text(&alice, 6, ts)),
            Err(Code::BadSignature)
        );
        assert_eq!(
            poll.verify(&primary, at(1000), 60, |ts| stream_text(&alice, ts)),
            Err(Code::BadSignature)
        );
        assert_eq!(
            stream.verify(&primary, at(1000), 60, |ts| poll_text(&alice, 0, ts)),
            Err(Code::BadSignature)
        );
        assert_eq!(
            stream.verify(&primary, at(1000), 60, |ts| stream_text(&"bob".parse().unwrap(), ts)),
            Err(Code::BadSignature)
        );

        for bad in [
            "",
            "bad",
            "1000",
            ":",
            "1000:zz",
            &poll.0.to_uppercase(),
            &poll.0.replace("1000:", "01000:"),
            &poll.0.replace("1000:", "+1000:"),
            &format!("{}0", poll.0),
        ] {
            let got =
                Credential(bad.to_string()).verify(&primary, at(1000), 60, |ts| poll_text(&alice, 5, ts));
            assert!(matches!(got, Err(Code::MalformedAuth)) || bad == poll.0, "{bad}: {got:?}");
        }
    }
}
