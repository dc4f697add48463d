//! WebFinger (RFC 7033) for `acct:handle@server`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::form_urlencoded;

use crate::{Code, Handle, ServerName, registry::Record};

/// The media type of a [`Jrd`].
pub const JRD_JSON: &str = "application/jrd+json";
/// Link relation of the record on this server.
pub const REL_SELF: &str = "self";
/// Link relation of what the server tells of itself (`GET /v1/server`): its limits, its features, and where its NATS is.
pub const REL_SERVER: &str = "https://kez.lat/rel/server";
/// Link relation of the key's identity log.
pub const REL_SIGCHAIN: &str = "https://kez.lat/rel/sigchain";
/// Property that holds the primary key.
pub const PROPERTY_PRIMARY: &str = "https://kez.lat/ns/primary";

/// What a WebFinger query asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The handle named in `resource`.
    pub handle: Handle,
    /// The link relations wanted; empty for all.
    pub rels: Vec<String>,
}

impl Query {
    /// Reads a raw query string. `invalid_parameter` where `resource` is missing, repeated or no URI; `unknown_handle` where it is one that isn't
    /// an account of this server.
    pub fn parse(raw: &str, server: &ServerName) -> Result<Self, Code> {
        let mut resource = None;
        let mut rels = Vec::new();
        for (name, value) in form_urlencoded::parse(raw.as_bytes()) {
            match &*name {
                "resource" if resource.is_some() => return Err(Code::InvalidParameter),
                "resource" => resource = Some(value.into_owned()),
                "rel" => rels.push(value.into_owned()),
                _ => {}
            }
        }
        let resource = resource.ok_or(Code::InvalidParameter)?;
        // The parser drops what no URI may have.
        if resource.contains(|c: char| c.is_control()) {
            return Err(Code::InvalidParameter);
        }
        let uri = url::Url::parse(&resource).map_err(|_| Code::InvalidParameter)?;
        if uri.scheme() != "acct" {
            return Err(Code::UnknownHandle);
        }
        if uri.query().is_some() || uri.fragment().is_some() {
            return Err(Code::InvalidParameter);
        }
        let (user, host) = uri.path().rsplit_once('@').ok_or(Code::InvalidParameter)?;
        if user.is_empty() || host.is_empty() {
            return Err(Code::InvalidParameter);
        }
        // A handle has no character that a URI must escape, but a client may escape any (RFC 3986, 6.2.2.2).
        let user = percent_decode(user);
        if !server.is(&percent_decode(host)) {
            return Err(Code::UnknownHandle);
        }
        Ok(Self { handle: user.parse().map_err(|_| Code::UnknownHandle)?, rels })
    }
}

fn percent_decode(s: &str) -> std::borrow::Cow<'_, str> {
    percent_encoding::percent_decode_str(s).decode_utf8_lossy()
}

/// A JSON Resource Descriptor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Jrd {
    /// The account.
    pub subject: String,
    /// Facts about it.
    pub properties: std::collections::BTreeMap<String, String>,
    /// Where more is.
    pub links: Vec<Link>,
}

/// A link of a [`Jrd`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    /// What is there.
    pub rel: String,
    /// In what form.
    #[serde(rename = "type")]
    pub media_type: String,
    /// Where.
    pub href: String,
}

impl Jrd {
    /// The descriptor of a record on a server that is reached at `public_url` (no trailing slash), with the links wanted (`rels` empty: all).
    pub fn new(record: &Record, public_url: &str, rels: &[String]) -> Self {
        let link = |rel: &str, href| Link { rel: rel.into(), media_type: "application/json".into(), href };
        let mut links = vec![
            link(REL_SELF, format!("{public_url}/v1/u/{}", record.handle)),
            link(REL_SIGCHAIN, record.sigchain_url.clone()),
            link(REL_SERVER, format!("{public_url}/v1/server")),
        ];
        links.retain(|l| rels.is_empty() || rels.contains(&l.rel));
        Self {
            subject: format!("acct:{}", record.fqhn),
            properties: [(PROPERTY_PRIMARY.to_owned(), record.primary.to_string())].into(),
            links,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let server = "kez.lat".parse().unwrap();
        let handle = |raw: &str| Query::parse(raw, &server).map(|q| q.handle.to_string());
        for ok in [
            "resource=acct:alice@kez.lat",
            "resource=acct%3Aalice%40kez.lat",
            "rel=x&resource=acct:alice@KEZ.lat.",
            "resource=acct:%61lice@kez.lat",
            "resource=acct%3A%2561lice%40kez.lat",
            "resource=ACCT:alice@kez.lat",
        ] {
            assert_eq!(handle(ok), Ok("alice".into()), "{ok}");
        }
        for bad in [
            "",
            "rel=self",
            "resource=",
            "resource=alice@kez.lat",
            "resource=acct:alice",
            "resource=acct:@kez.lat",
            "resource=acct:alice@",
            "resource=acct:a@kez.lat&resource=acct:b@kez.lat",
            "resource=acct:alice@kez.lat?x=1",
            "resource=acct:alice@kez.lat%23f",
            "resource=acct:%0Aalice@kez.lat",
            "resource=acct:alice@kez.lat%00",
        ] {
            assert_eq!(handle(bad), Err(Code::InvalidParameter), "{bad}");
        }
        for unknown in [
            "resource=acct:alice@other.lat",
            "resource=https://kez.lat/alice",
            "resource=mailto:alice@kez.lat",
            "resource=acct:Al+ice@kez.lat",
            "resource=acct:al%26ice@kez.lat",
        ] {
            assert_eq!(handle(unknown), Err(Code::UnknownHandle), "{unknown}");
        }
        assert_eq!(
            Query::parse("rel=a&resource=acct:alice@kez.lat&rel=b%20c", &server).unwrap().rels,
            ["a", "b c"]
        );
    }
}
