//! Whether a client is who it says, and what it may do then: the chat's answer to the callout's question. It holds no connection's state.

use std::time::Duration;

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use kez_proto::{
    Code, Primary, ServerName, Timestamp,
    nats_login::{self, UserKey},
    registry::Record,
    session, subjects,
};

use crate::protocol::{Connect, Request, Subjects, User};

/// The account of the users. The answer's signer could name any; this is the only one it ever does.
const ACCOUNT: &str = "CHAT";

/// Why a client isn't let in, in words that don't change: for the audit log and the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Not a plain client over TCP or WebSocket.
    ConnectionType,
    /// A user name or a password.
    Password,
    /// A token of nats-server's operator mode.
    ForeignJwt,
    /// Neither key nor token.
    NoKey,
    /// Not the public nkey of a user, an odd spelling, or a weak key.
    InvalidKey,
    /// No signature, or no nonce that nats-server makes.
    NoSignature,
    /// Not 64 bytes in base64url or base64.
    MalformedSignature,
    /// The key didn't sign this.
    WrongSignature,
    /// The key signed the bare nonce, which is switched off.
    PlainNonce,
    /// Not a session token of this server.
    InvalidToken,
    /// The session token has expired.
    TokenExpired,
    /// The session is over.
    SessionEnded,
    /// The session token is bound to another nkey.
    WrongSessionKey,
    /// Nobody registered this key.
    UnknownKey,
    /// The operator has suspended the key's handle.
    Suspended,
    /// The key has all the connections that it may have.
    TooManyConnections,
    /// The connection has logged in before: it stays whose it was.
    SecondLogin,
    /// nats-server doesn't wait for the answer any more. It gets none.
    Late,
    /// Too many refused logins came from this address.
    RateLimited,
    /// The registry is away.
    Unavailable,
    /// A fault of our own.
    Internal,
}

impl Reason {
    /// All reasons.
    #[cfg(test)]
    pub const ALL: [Reason; 21] = [
        Reason::ConnectionType,
        Reason::Password,
        Reason::ForeignJwt,
        Reason::NoKey,
        Reason::InvalidKey,
        Reason::NoSignature,
        Reason::MalformedSignature,
        Reason::WrongSignature,
        Reason::PlainNonce,
        Reason::InvalidToken,
        Reason::TokenExpired,
        Reason::SessionEnded,
        Reason::WrongSessionKey,
        Reason::UnknownKey,
        Reason::Suspended,
        Reason::TooManyConnections,
        Reason::SecondLogin,
        Reason::Late,
        Reason::RateLimited,
        Reason::Unavailable,
        Reason::Internal,
    ];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::ConnectionType => "connection_type",
            Reason::Password => "password",
            Reason::ForeignJwt => "foreign_jwt",
            Reason::NoKey => "no_key",
            Reason::InvalidKey => "invalid_key",
            Reason::NoSignature => "no_signature",
            Reason::MalformedSignature => "malformed_signature",
            Reason::WrongSignature => "wrong_signature",
            Reason::PlainNonce => "plain_nonce",
            Reason::InvalidToken => "invalid_token",
            Reason::TokenExpired => "token_expired",
            Reason::SessionEnded => "session_ended",
            Reason::WrongSessionKey => "wrong_session_key",
            Reason::UnknownKey => "unknown_key",
            Reason::Suspended => "suspended",
            Reason::TooManyConnections => "too_many_connections",
            Reason::SecondLogin => "second_login",
            Reason::Late => "late",
            Reason::RateLimited => "rate_limited",
            Reason::Unavailable => "unavailable",
            Reason::Internal => "internal",
        }
    }

    /// Whether it is the client's doing, so that it counts against its address.
    pub fn is_clients(self) -> bool {
        use Reason::*;
        !matches!(self, Suspended | TooManyConnections | Late | RateLimited | Unavailable | Internal)
    }
}

/// How a client comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Transport {
    /// TCP, with or without TLS.
    Standard,
    /// WebSocket.
    Websocket,
}

impl Transport {
    /// Of a client that is a plain one over one of these.
    pub fn of(request: &Request) -> Option<Self> {
        match (request.client.kind.as_str(), request.client.transport.as_str()) {
            ("Client", "nats") => Some(Transport::Standard),
            ("Client", "websocket") => Some(Transport::Websocket),
            _ => None,
        }
    }
}

/// What a client has proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Login {
    /// Whose client it is.
    pub primary: Primary,
    /// When its session ends, in Unix seconds, if it came with one.
    pub session_ends: Option<i64>,
}

/// What this server takes.
#[derive(Clone, Debug)]
pub struct Rules {
    pub server: ServerName,
    /// Whether the signature of the bare nonce is taken.
    pub plain_nonce: bool,
    /// How long a connection lasts, ± a tenth.
    pub login: Duration,
}

impl Rules {
    /// Verifies a client's credentials. Whether the key is anybody's is the registry's to say.
    pub fn identify(
        &self,
        request: &Request,
        verify_token: impl FnOnce(&str) -> Result<session::Claims, Code>,
    ) -> Result<Login, Reason> {
        Transport::of(request).ok_or(Reason::ConnectionType)?;
        let Connect { nkey, signature, auth_token, user, pass, jwt } = &request.connect;
        if user.is_some() || pass.is_some() {
            return Err(Reason::Password);
        }
        if jwt.is_some() {
            return Err(Reason::ForeignJwt);
        }
        let key: UserKey =
            nkey.as_ref().ok_or(Reason::NoKey)?.parse().map_err(|_: Code| Reason::InvalidKey)?;
        let nonce = request.client.nonce.as_deref().filter(|n| nats_login::is_nonce(n));
        let (Some(signature), Some(nonce)) = (signature, nonce) else { return Err(Reason::NoSignature) };
        self.check_signature(key.key(), nonce, signature.expose())?;
        let Some(token) = auth_token else {
            return Ok(Login { primary: *key.key(), session_ends: None });
        };
        let claims = verify_token(token.expose()).map_err(|code| match code {
            Code::TokenExpired => Reason::TokenExpired,
            Code::SessionEnded => Reason::SessionEnded,
            _ => Reason::InvalidToken,
        })?;
        if claims.session_key() != Ok(*key.key()) {
            return Err(Reason::WrongSessionKey);
        }
        Ok(Login { primary: claims.sub, session_ends: Some(claims.session_exp) })
    }

    fn check_signature(&self, key: &Primary, nonce: &str, signature: &str) -> Result<(), Reason> {
        let signature = signature.as_bytes();
        let bytes = BASE64URL_NOPAD.decode(signature).or_else(|_| BASE64.decode(signature)).ok();
        let bytes = bytes.filter(|b| b.len() == 64).ok_or(Reason::MalformedSignature)?;
        let hex = HEXLOWER.encode(&bytes);
        let signed = |text: &str| key.verify(text.as_bytes(), &hex).is_ok();
        if signed(&nats_login::text(&self.server, nonce)) {
            return Ok(());
        }
        match signed(nonce) {
            true if self.plain_nonce => Ok(()),
            true => Err(Reason::PlainNonce),
            false => Err(Reason::WrongSignature),
        }
    }

    /// What a client may do whose key has this record; `tenth` is what its connection lasts longer or shorter, from -1 to 1.
    pub fn admit(&self, login: &Login, record: &Record, now: Timestamp, tenth: f64) -> Result<User, Reason> {
        if record.primary != login.primary {
            return Err(Reason::Internal);
        }
        if record.suspended {
            return Err(Reason::Suspended);
        }
        let lasts = self.login.as_secs_f64() * (1.0 + tenth / 10.0);
        let expires = now.unix().saturating_add((lasts as i64).max(1));
        let permissions = subjects::client_permissions(&record.handle, &login.primary);
        Ok(User {
            account: ACCOUNT,
            name: record.handle.to_string(),
            publish: Subjects::new(permissions.publish).ok_or(Reason::Internal)?,
            subscribe: Subjects::new(permissions.subscribe).ok_or(Reason::Internal)?,
            expires: login.session_ends.map_or(expires, |ends| expires.min(ends)),
        })
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};
    use nkeys::{KeyPair, KeyPairType};
    use serde_json::{Value, json};

    use super::*;
    use kez_proto::session::Confirmation;

    const NONCE: &str = "b_NUDM4LtgYbvSk";

    fn rules(plain_nonce: bool) -> Rules {
        Rules { server: "kez.lat".parse().unwrap(), plain_nonce, login: Duration::from_secs(3600) }
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn primary(seed: u8) -> Primary {
        Primary::from_bytes(key(seed).verifying_key().as_bytes()).unwrap()
    }

    fn nkey(kind: KeyPairType, seed: u8) -> String {
        KeyPair::new_from_raw(kind, [seed; 32]).unwrap().public_key()
    }

    fn sign(seed: u8, text: &str) -> [u8; 64] {
        key(seed).sign(text.as_bytes()).to_bytes()
    }

    fn own_text() -> String {
        nats_login::text(&"kez.lat".parse().unwrap(), NONCE)
    }

    /// What key 7's client sends, signed for `kez.lat`.
    fn good() -> Value {
        json!({
            "client_info": {"kind": "Client", "type": "nats", "host": "192.0.2.1", "id": 8, "nonce": NONCE},
            "connect_opts": {"nkey": nkey(KeyPairType::User, 7), "sig": BASE64URL_NOPAD.encode(&sign(7, &own_text()))},
            "server_id": {"id": "N"}, "user_nkey": "U", "type": "authorization_request", "version": 2
        })
    }

    fn claims(session: u8) -> session::Claims {
        let server: ServerName = "kez.lat".parse().unwrap();
        let cnf = Confirmation::of(&primary(session));
        session::Claims {
            iss: server.clone(),
            aud: server,
            sub: primary(1),
            iat: 0,
            exp: 900,
            session_exp: 1000,
            cnf,
        }
    }

    fn identify(request: Value, plain_nonce: bool) -> Result<Login, Reason> {
        let request: Request = serde_json::from_value(request).unwrap();
        rules(plain_nonce).identify(&request, |token| match token {
            "good" => Ok(claims(7)),
            "expired" => Err(Code::TokenExpired),
            "ended" => Err(Code::SessionEnded),
            "others" => Ok(claims(8)),
            _ => Err(Code::InvalidToken),
        })
    }

    fn with(path: &str, member: &str, value: Value) -> Value {
        let mut request = good();
        request[path][member] = value;
        request
    }

    #[test]
    fn a_key_is_proven_by_a_signature_for_this_server_or_of_the_bare_nonce_where_that_is_taken() {
        let login = Ok(Login { primary: primary(7), session_ends: None });
        for plain in [true, false] {
            assert_eq!(identify(good(), plain), login);
        }
        let websocket = with("client_info", "type", json!("websocket"));
        assert_eq!(identify(websocket, false), login);
        for text in [
            BASE64.encode(&sign(7, &own_text())),
            BASE64.encode(&sign(7, NONCE)),
            BASE64URL_NOPAD.encode(&sign(7, NONCE)),
        ] {
            assert_eq!(identify(with("connect_opts", "sig", json!(text)), true), login);
        }
        let bare = with("connect_opts", "sig", json!(BASE64URL_NOPAD.encode(&sign(7, NONCE))));
        assert_eq!(identify(bare, false), Err(Reason::PlainNonce));
    }

    #[test]
    fn a_token_is_its_own_keys_alone() {
        let token = |token: &str| identify(with("connect_opts", "auth_token", json!(token)), false);
        assert_eq!(token("good"), Ok(Login { primary: primary(1), session_ends: Some(1000) }));
        assert_eq!(token("expired"), Err(Reason::TokenExpired));
        assert_eq!(token("ended"), Err(Reason::SessionEnded));
        assert_eq!(token("others"), Err(Reason::WrongSessionKey));
        assert_eq!(token("x"), Err(Reason::InvalidToken));
        assert_eq!(token(""), Err(Reason::InvalidToken));
        // Without the key's signature a token is nothing.
        let mut request = with("connect_opts", "auth_token", json!("good"));
        request["connect_opts"]["sig"] = json!(BASE64URL_NOPAD.encode(&sign(8, &own_text())));
        assert_eq!(identify(request, true), Err(Reason::WrongSignature));
        let mut request = with("connect_opts", "auth_token", json!("good"));
        request["connect_opts"].as_object_mut().unwrap().remove("nkey");
        assert_eq!(identify(request, true), Err(Reason::NoKey));
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        use Reason::*;
        let of = |text: &str| json!(BASE64URL_NOPAD.encode(&sign(7, text)));
        let signature = |bytes: &[u8]| json!(BASE64URL_NOPAD.encode(bytes));
        let weak = "UAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABVBG";
        let elsewhere = nats_login::text(&"evil.lat".parse().unwrap(), NONCE);
        let mut forged = [0; 64];
        forged[0] = 1;
        let mut malleable = sign(7, &own_text());
        // s + L: the same signature to whoever isn't strict.
        let order: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        malleable[32..].iter_mut().zip(order).fold(0u16, |carry, (byte, add)| {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            *byte = sum as u8;
            sum >> 8
        });
        let cases = [
            ("client_info", "kind", json!("Leafnode"), ConnectionType),
            ("client_info", "kind", json!(""), ConnectionType),
            ("client_info", "type", json!("mqtt"), ConnectionType),
            ("connect_opts", "user", json!("alice"), Password),
            ("connect_opts", "pass", json!("x"), Password),
            ("connect_opts", "jwt", json!("a.b.c"), ForeignJwt),
            ("connect_opts", "nkey", Value::Null, NoKey),
            ("connect_opts", "nkey", json!(nkey(KeyPairType::Account, 7)), InvalidKey),
            ("connect_opts", "nkey", json!(nkey(KeyPairType::User, 7).to_lowercase()), InvalidKey),
            ("connect_opts", "nkey", json!(weak), InvalidKey),
            ("connect_opts", "nkey", json!(nkey(KeyPairType::User, 8)), WrongSignature),
            ("connect_opts", "sig", Value::Null, NoSignature),
            ("client_info", "nonce", Value::Null, NoSignature),
            ("client_info", "nonce", json!("{\"kez\":\"x\"}"), NoSignature),
            ("client_info", "nonce", json!("another_nonce_1"), WrongSignature),
            ("connect_opts", "sig", json!("?"), MalformedSignature),
            ("connect_opts", "sig", signature(&[0; 63]), MalformedSignature),
            ("connect_opts", "sig", signature(&[0; 65]), MalformedSignature),
            ("connect_opts", "sig", signature(&forged), WrongSignature),
            ("connect_opts", "sig", signature(&malleable), WrongSignature),
            ("connect_opts", "sig", of(&elsewhere), WrongSignature),
            ("connect_opts", "sig", of(&format!("{NONCE}\n")), WrongSignature),
        ];
        for (path, member, value, reason) in cases {
            assert_eq!(
                identify(with(path, member, value.clone()), true),
                Err(reason),
                "{path}.{member} {value}"
            );
        }
    }

    #[test]
    fn a_user_gets_its_own_subjects_in_the_users_account_for_its_time() {
        let record = |seed| Record {
            handle: "alice".parse().unwrap(),
            fqhn: "alice@kez.lat".into(),
            primary: primary(seed),
            sigchain_url: String::new(),
            registered_at: Timestamp::from_unix(0).unwrap(),
            suspended: false,
        };
        let now = Timestamp::from_unix(10_000).unwrap();
        let admit = |ends, tenth| {
            let login = Login { primary: primary(7), session_ends: ends };
            rules(true).admit(&login, &record(7), now, tenth).unwrap()
        };
        let user = admit(None, 0.0);
        assert_eq!((user.account, user.name.as_str(), user.expires), ("CHAT", "alice", 13_600));
        let own = subjects::client_permissions(&"alice".parse().unwrap(), &primary(7));
        assert_eq!(
            (user.publish.as_slice(), user.subscribe.as_slice()),
            (&own.publish[..], &own.subscribe[..])
        );
        assert_eq!((admit(None, 1.0).expires, admit(None, -1.0).expires), (13_960, 13_240));
        assert_eq!((admit(Some(12_000), 1.0).expires, admit(Some(99_000), 0.0).expires), (12_000, 13_600));
        let login = Login { primary: primary(7), session_ends: None };
        let other = rules(true).admit(&login, &record(8), now, 0.0);
        assert_eq!(other.map(|u| u.name), Err(Reason::Internal), "a record of another key");
        let suspended = Record { suspended: true, ..record(7) };
        let login = Login { primary: primary(7), session_ends: None };
        let refused = rules(true).admit(&login, &suspended, now, 0.0);
        assert_eq!(refused.map(|u| u.name), Err(Reason::Suspended));
    }

    #[test]
    fn reasons_have_words_of_their_own() {
        let words: std::collections::HashSet<_> = Reason::ALL.map(Reason::as_str).into();
        assert_eq!(words.len(), Reason::ALL.len());
    }
}
