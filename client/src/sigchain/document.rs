//! A text that somebody signed, in whatever form it travels: a claim, or an identity log.

use kez_proto::{
    Code,
    identity::{
        Broken, Claim, Event,
        export::{self, BUNDLE_PREFIX},
        proof::{self, Undecodable},
    },
};
use serde_json::Value;

use super::Sigchain;

/// What was signed, verified.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "short-lived, one at a time")]
pub enum Document {
    /// A claim. Whether it has ended is another question: [`Claim::is_over`].
    Claim(Claim),
    /// An identity log, or its first events.
    Sigchain(Sigchain),
}

/// Why a text is neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// There is nothing signed in it, or it can't be read.
    #[error(transparent)]
    Undecodable(#[from] Undecodable),
    /// A signed envelope that is no good one, or of another kind.
    #[error("{}", .0.detail())]
    Envelope(Code),
    /// An identity log that breaks off.
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl Unreadable {
    /// The name, for programs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Undecodable(Undecodable::Absent) => "absent",
            Self::Undecodable(Undecodable::Corrupt) => "corrupt",
            Self::Undecodable(Undecodable::TooLarge) => "too_large",
            Self::Envelope(code) | Self::Broken(Broken { code, .. }) => code.as_str(),
        }
    }
}

impl Document {
    /// Reads and verifies a text: a log as JSON Lines or as a bundle; a claim as JSON, as its compact word, in a page's code fence, or as DNS records the way
    /// that a zone file or `dig` writes them.
    pub fn read(text: &str) -> Result<Self, Unreadable> {
        let bare = text.trim();
        if bare.starts_with(BUNDLE_PREFIX)
            || tag(bare.lines().next().unwrap_or_default()) == Some(Event::TAG.into())
        {
            return Ok(Self::Sigchain(Sigchain::verify(export::decode(bare)?)?));
        }
        let json = match proof::decode(text) {
            Err(Undecodable::Absent) => proof::from_txt(records(text))?,
            decoded => decoded?,
        };
        let json = String::from_utf8(json).map_err(|_| Undecodable::Corrupt)?;
        match tag(&json).as_deref() {
            Some(Event::TAG) => Ok(Self::Sigchain(Sigchain::verify([json])?)),
            _ => Claim::verify(json.as_bytes()).map(Self::Claim).map_err(Unreadable::Envelope),
        }
    }
}

/// What kind of envelope a JSON text says it is.
fn tag(json: &str) -> Option<String> {
    let envelope: Value = serde_json::from_str(json).ok()?;
    envelope["kez"].as_str().map(str::to_owned)
}

/// The quoted segments of each line.
fn records(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split('"').skip(1).step_by(2).collect())
}

#[cfg(test)]
mod tests {
    use kez_proto::Timestamp;

    use super::*;
    use crate::{Identity, sigchain::log::tests::log};

    fn claim() -> String {
        let at = Timestamp::from_unix(1_779_678_000).unwrap();
        let identity = Identity::from_seed(&[0x42; 32]);
        let signed = Claim::sign("dns:example.org".parse().unwrap(), at, None, &identity).unwrap();
        serde_json::to_string(&signed).unwrap()
    }

    #[test]
    fn a_claim_in_every_form() {
        let json = claim();
        let want = Claim::verify(json.as_bytes()).unwrap();
        let segments = proof::to_txt(json.as_bytes());
        let quoted = segments.iter().map(|s| format!("\"{s}\"")).collect::<Vec<_>>().join(" ");
        for text in [
            json.clone(),
            serde_json::to_string_pretty(&serde_json::from_str::<Value>(&json).unwrap()).unwrap(),
            proof::to_compact(json.as_bytes()),
            proof::to_markdown(&json),
            format!("# Me\n\nhello\n\n{}", proof::to_markdown(&proof::to_compact(json.as_bytes()))),
            quoted.clone(),
            format!("\"v=spf1 -all\"\n{quoted}\n"),
            format!("_kez.example.org. 300 IN TXT {quoted}"),
        ] {
            assert_eq!(Document::read(&text), Ok(Document::Claim(want.clone())), "{text}");
        }
    }

    #[test]
    fn a_log_in_every_form() {
        let log = log(1, &["github:a", "github:b"]);
        let one = Sigchain::verify(&log.events()[..1]).unwrap();
        let pretty: Value = serde_json::from_str(&log.events()[0]).unwrap();
        for (text, want) in [
            (log.to_lines().unwrap(), &log),
            (format!("\n{}", log.to_lines().unwrap().replace('\n', "\r\n")), &log),
            (log.to_bundle().unwrap(), &log),
            (log.events()[0].clone(), &one),
            (serde_json::to_string_pretty(&pretty).unwrap(), &one),
        ] {
            assert_eq!(Document::read(&text), Ok(Document::Sigchain(want.clone())), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_has_a_name() {
        let (json, log) = (claim(), log(1, &["github:a", "github:b"]));
        let word = proof::to_compact(json.as_bytes());
        let bundle = log.to_bundle().unwrap();
        for (text, name) in [
            (String::new(), "absent"),
            ("hello".into(), "absent"),
            ("\"v=spf1 -all\"".into(), "absent"),
            (word[..word.len() - 3].into(), "corrupt"),
            (bundle[..bundle.len() - 3].into(), "corrupt"),
            ("{".into(), "corrupt"),
            (format!("{{{}}}", " ".repeat(20_000)), "too_large"),
            ("{}".into(), "malformed_json"),
            (json.replace("\"claim\"", "\"handle_release\""), "wrong_tag"),
            (json.replace("example.org", "example.com"), "bad_signature"),
            (log.events()[1].clone(), "chain_gap"),
            (log.to_lines().unwrap().replacen("github:b", "github:c", 1), "bad_signature"),
            (format!("{}\nhello", log.events()[0]), "corrupt"),
        ] {
            assert_eq!(Document::read(&text).unwrap_err().as_str(), name, "{text}");
        }
    }
}
