//! Who calls, as they present it: a session token, a signature, or both. Only the form is looked at, so that a token that can't be one is refused rather than
//! overlooked; whether it is good, the owner of the data says.

use axum::http::{HeaderMap, HeaderValue, header};
use kez_proto::{
    Code, Problem,
    auth::{Caller, Credential},
    headers::X_KEZ_AUTH,
};

/// A token of ours has some 500 bytes.
const TOKEN_BYTES: usize = 4096;

/// What is presented in headers. Errors: `malformed_auth`, `invalid_token`.
pub fn caller(headers: &HeaderMap) -> Result<Caller, Problem> {
    let signature = headers.get(X_KEZ_AUTH).map(|value| match value.to_str() {
        Ok(text) => Ok(Credential(text.to_owned())),
        Err(_) => Err(Code::MalformedAuth),
    });
    Ok(Caller { token: token(headers)?, signature: signature.transpose()? })
}

/// The session token of `Authorization: Bearer` (RFC 6750); none only where there is no such header. Errors: `malformed_auth` for another scheme or more than
/// one, `invalid_token` for what can't be a token.
pub fn token(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => bearer(value).map(Some),
        _ => Err(Problem::new(Code::MalformedAuth, "more than one Authorization header")),
    }
}

fn bearer(value: &HeaderValue) -> Result<String, Problem> {
    let (scheme, token) =
        value.as_bytes().split_at(value.as_bytes().iter().take_while(|b| **b != b' ').count());
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(Problem::new(Code::MalformedAuth, "Authorization must be `Bearer <session token>`"));
    }
    let token = token.trim_ascii();
    let possible = (1..=TOKEN_BYTES).contains(&token.len()) && token.iter().all(|&b| is_of_a_token(b));
    match std::str::from_utf8(token) {
        Ok(token) if possible => Ok(token.to_owned()),
        _ => Err(Code::InvalidToken.into()),
    }
}

/// Base64url and the dots between (RFC 7515).
fn is_of_a_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(authorization: &[&[u8]]) -> HeaderMap {
        let value = |bytes: &&[u8]| (header::AUTHORIZATION, HeaderValue::from_bytes(bytes).unwrap());
        authorization.iter().map(value).collect()
    }

    #[test]
    fn a_token_is_taken_as_it_is() {
        let longest = format!("Bearer {}", "x".repeat(TOKEN_BYTES));
        for (header, expected) in [
            ("Bearer a.b-c_D.9", "a.b-c_D.9"),
            ("bearer a.b.c", "a.b.c"),
            ("BEARER   a.b.c ", "a.b.c"),
            (&longest, &longest[7..]),
        ] {
            assert_eq!(token(&headers(&[header.as_bytes()])), Ok(Some(expected.into())), "{header}");
        }
        assert_eq!(token(&headers(&[])), Ok(None));
    }

    #[test]
    fn what_cannot_be_a_token_is_never_nobody() {
        let too_long = format!("Bearer {}", "x".repeat(TOKEN_BYTES + 1));
        for (values, code) in [
            (&[b"" as &[u8]] as &[&[u8]], Code::MalformedAuth),
            (&[b"Basic YTpi"], Code::MalformedAuth),
            (&[b"BearerX a.b.c"], Code::MalformedAuth),
            (&[b"a.b.c"], Code::MalformedAuth),
            (&[b" Bearer a.b.c"], Code::MalformedAuth),
            (&[b"Bearer\ta.b.c"], Code::MalformedAuth),
            (&[b"Bearer a.b.c", b"Bearer a.b.c"], Code::MalformedAuth),
            (&[b"Bearer"], Code::InvalidToken),
            (&[b"Bearer "], Code::InvalidToken),
            (&[b"Bearer a.b.c, Bearer a.b.c"], Code::InvalidToken),
            (&[b"Bearer a.b.c d"], Code::InvalidToken),
            (&[b"Bearer a.b\tc"], Code::InvalidToken),
            (&[b"Bearer a.b\xff.c"], Code::InvalidToken),
            (&["Bearer ä.b.c".as_bytes()], Code::InvalidToken),
            (&[too_long.as_bytes()], Code::InvalidToken),
        ] {
            let refused = caller(&headers(values)).map_err(|problem| problem.code);
            assert_eq!(refused, Err(code), "{:?}", values.first().map(|v| String::from_utf8_lossy(v)));
        }
    }

    #[test]
    fn a_token_and_a_signature_may_come_together() {
        let mut headers = headers(&[b"Bearer a.b.c"]);
        headers.insert(X_KEZ_AUTH, HeaderValue::from_static("1:ab"));
        let both = caller(&headers).unwrap();
        assert_eq!((both.token.as_deref(), both.signature), (Some("a.b.c"), Some(Credential("1:ab".into()))));
        headers.insert(X_KEZ_AUTH, HeaderValue::from_bytes(b"1:\xff").unwrap());
        assert_eq!(caller(&headers).map_err(|p| p.code), Err(Code::MalformedAuth));
    }
}
