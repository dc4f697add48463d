//! Somebody on the command line: a key, or a name at the server.

use std::str::FromStr;

use kez_client::{Client, Sigchain};
use kez_proto::{Code, Handle, identity::Key};

use crate::{args::Address, context::Context, failure::Failure};

/// `ed25519:…`, `nostr:npub1…`, `bob`, or `bob@server`.
#[derive(Clone)]
pub enum Who {
    Key(Key),
    Name(Address),
}

impl FromStr for Who {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let Some((system, _)) = s.split_once(':') else {
            return s.parse().map(Self::Name);
        };
        match s.parse() {
            Ok(key) => Ok(Self::Key(key)),
            Err(Code::InvalidPrimary) if !matches!(system, "ed25519" | "nostr") => Err(
                "only keys (ed25519:… or nostr:npub1…) and handles have identity logs; what an account says is looked at with: kez claim verify".into(),
            ),
            Err(code) => Err(code.detail().into()),
        }
    }
}

impl Who {
    /// The key, which for a name is what the server says.
    pub async fn key(self, context: &Context, client: &Client) -> Result<Key, Failure> {
        let address = match self {
            Self::Key(key) => return Ok(key),
            Self::Name(address) => address,
        };
        let url = client.base_url();
        if let Some(named) = address.server {
            let server = context.insist(url, || client.server()).await?.name;
            if !server.is(&named) {
                return Err(Failure::refused(format!(
                    "{url} is {server}, not {named}; name that server's address: --server-url URL"
                )));
            }
        }
        let record = context.insist(url, || client.lookup(&address.handle)).await?;
        if record.handle != address.handle {
            return Err(Failure::refused(format!(
                "{url} answers with another handle than {}",
                address.handle
            )));
        }
        Ok(record.primary.into())
    }
}

/// Why a handle isn't to be trusted, if the log has given up the key that the server names for it.
pub fn outdated(handle: &Handle, key: &Key, log: &Sigchain) -> Option<String> {
    let now = log.state().primary();
    (now != *key).then(|| {
        format!(
            "the server has {handle} under {key}, a key that gave way to {now} in its own identity log. Whoever else has that old key can pass for {handle}, and read what is sealed to it. The owner repairs it with: kez sigchain publish"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_names() {
        let key = kez_proto::primary::EXAMPLE;
        assert!(matches!(key.parse(), Ok(Who::Key(k)) if k.to_string() == key));
        assert!(matches!("bob".parse(), Ok(Who::Name(Address { server: None, .. }))));
        assert!(
            matches!("bob@kez.lat".parse(), Ok(Who::Name(Address { server: Some(s), .. })) if s == "kez.lat")
        );
        for (bad, words) in [
            ("github:alice", "kez claim verify"),
            ("ed25519:00", "64"),
            ("B", "a handle is"),
            ("", "a handle is"),
        ] {
            let why = bad.parse::<Who>().err().unwrap();
            assert!(why.contains(words), "{bad}: {why}");
        }
    }
}
