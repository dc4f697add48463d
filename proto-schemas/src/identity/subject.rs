//! What a claim is about: an account, a name or a page elsewhere, as `system:identifier`.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::Url;

use super::NostrKey;
use crate::{Code, ServerName, limits::SUBJECT_BYTES};

macro_rules! systems {
    ($($variant:ident $name:literal $doc:literal)+) => {
        /// Where a subject is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum System { $(#[doc = $doc] $variant,)+ }

        impl System {
            /// All of them.
            pub const ALL: &[System] = &[$(System::$variant),+];
            /// What is before the colon.
            pub fn name(self) -> &'static str { match self { $(System::$variant => $name),+ } }
        }
    };
}

systems! {
    Github  "github"  "A user of GitHub: 1 to 39 letters, digits and hyphens."
    Dns     "dns"     "A domain."
    Nostr   "nostr"   "A Nostr account, `npub1…`."
    Bluesky "bluesky" "A handle of Bluesky, which is a domain."
    Ap      "ap"      "An account of ActivityPub, `user@host`; `mastodon:` is read as this."
    Did     "did"     "A decentralized identifier, `did:method:id`."
    Ens     "ens"     "A name of the Ethereum Name Service, such as `alice.eth`."
    Web     "web"     "A page: an https URL, or one without its `https://`."
}

/// A subject in one spelling: what its system compares without case is in lower case here, so that two subjects that are the same are equal. At
/// most 255 bytes, without white space.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    system: System,
    identifier: String,
}

impl Subject {
    /// Where it is.
    pub fn system(&self) -> System {
        self.system
    }

    /// What it is called there.
    pub fn identifier(&self) -> &str {
        &self.identifier
    }
}

/// A domain with a dot in it, in lower case.
fn domain(text: &str) -> Option<String> {
    let name: ServerName = text.to_ascii_lowercase().parse().ok()?;
    name.as_str().contains('.').then(|| name.as_str().to_owned())
}

/// The one spelling of an identifier.
fn normal(system: System, text: &str) -> Option<String> {
    let all = |text: &str, extra: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
    };
    match system {
        System::Github => (text.len() <= 39 && all(text, "-")).then(|| text.to_ascii_lowercase()),
        System::Dns | System::Bluesky => domain(text),
        System::Nostr => text.parse::<NostrKey>().ok().map(|key| key.to_string()),
        System::Ap => {
            let (user, host) = text.strip_prefix('@').unwrap_or(text).split_once('@')?;
            all(user, "_.-").then_some(format!("{}@{}", user.to_ascii_lowercase(), domain(host)?))
        }
        System::Did => {
            let (method, id) = text.split_once(':')?;
            let lower = !method.contains(|c: char| c.is_ascii_uppercase());
            (lower && all(method, "") && all(id, "._:%-")).then(|| text.to_owned())
        }
        System::Ens => {
            let labels = text.contains('.') && text.split('.').all(|label| !label.is_empty());
            labels.then(|| text.to_lowercase())
        }
        System::Web => {
            let url = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
            let url = Url::parse(&url).ok()?;
            let plain = url.scheme() == "https" && url.username().is_empty() && url.password().is_none();
            plain.then(|| text.to_owned())
        }
    }
}

impl FromStr for Subject {
    type Err = Code;
    fn from_str(s: &str) -> Result<Self, Code> {
        if s.len() > SUBJECT_BYTES || s.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(Code::InvalidSubject);
        }
        let (name, identifier) = s.split_once(':').ok_or(Code::InvalidSubject)?;
        let name = if name == "mastodon" { System::Ap.name() } else { name };
        let system = System::ALL.iter().copied().find(|system| system.name() == name);
        let system = system.ok_or(Code::InvalidSubject)?;
        let identifier = normal(system, identifier).ok_or(Code::InvalidSubject)?;
        Ok(Self { system, identifier })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.system.name(), self.identifier)
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(|code: Code| de::Error::custom(code.detail()))
    }
}

impl JsonSchema for Subject {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Subject".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let systems = System::ALL.iter().map(|system| system.name()).collect::<Vec<_>>().join("|");
        schemars::json_schema!({
            "type": "string", "maxLength": SUBJECT_BYTES, "pattern": format!(r"^({systems}|mastodon):\S+$"),
            "examples": ["github:alice", "dns:alice.example", "ap:alice@social.example"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NPUB: &str = "npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg";

    #[test]
    fn each_system_has_one_spelling() {
        for (text, want) in [
            ("github:Alice-B", "github:alice-b"),
            ("dns:Example.ORG", "dns:example.org"),
            ("bluesky:Alice.bsky.social", "bluesky:alice.bsky.social"),
            ("ap:@Alice_1@Social.example", "ap:alice_1@social.example"),
            ("mastodon:alice@social.example", "ap:alice@social.example"),
            ("did:plc:ewVi7nxzyoun6zhxrhs64oiz", "did:plc:ewVi7nxzyoun6zhxrhs64oiz"),
            ("did:web:example.org:user:alice", "did:web:example.org:user:alice"),
            ("ens:Alice.eth", "ens:alice.eth"),
            ("web:alice.example/about#Me", "web:alice.example/about#Me"),
            ("web:https://alice.example/~Alice", "web:https://alice.example/~Alice"),
            (&format!("nostr:{NPUB}"), &format!("nostr:{NPUB}")),
        ] {
            let subject: Subject = text.parse().unwrap_or_else(|_| panic!("{text} was refused"));
            assert_eq!(subject.to_string(), want);
            assert_eq!(want.parse(), Ok(subject));
        }
    }

    #[test]
    fn what_is_no_subject() {
        for bad in [
            "",
            "alice",
            ":alice",
            "github:",
            "github:a b",
            "github:a_b",
            &format!("github:{}", "a".repeat(40)),
            "GitHub:alice",
            "gitlab:alice",
            "ed25519:2152f8d19b791d24453242e15f2eab6cb7cffa7b6a5ed30097960e069881db12",
            "dns:localhost",
            "dns:example.org.",
            "dns:a..b",
            "bluesky:alice",
            "ap:alice",
            "ap:@@social.example",
            "ap:alice@localhost",
            "did:plc",
            "did:PLC:x",
            "did:plc:",
            "ens:eth",
            "ens:.eth",
            "web:",
            "web:http://alice.example",
            "web:ftp://alice.example",
            "web:https://user:secret@alice.example",
            "web:javascript:alert(1)",
            "nostr:npub1",
            "dns:example.org\n",
            "dns:\u{a0}example.org",
            &format!("web:alice.example/{}", "x".repeat(255)),
        ] {
            assert_eq!(bad.parse::<Subject>(), Err(Code::InvalidSubject), "{bad} was taken");
        }
    }
}
