//! What a nats-server says to a client, word by word, and what a responder says to it. Header blocks are skipped, not read: a client may have put anything
//! there. (The client protocol of the NATS documentation.)

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kez_proto::{
    Problem,
    headers::{NATS_SERVICE_ERROR, NATS_SERVICE_ERROR_CODE, RETRY_AFTER},
};
use serde::{Deserialize, Serialize};
use tokio_util::codec::Decoder;

/// Bytes of a line, at most; INFO names every server of a cluster.
const LINE: usize = 64 * 1024;
/// Bytes of a message with its headers, at most: far above what any nats-server here takes.
const MESSAGE: usize = 8 * 1024 * 1024;

/// One thing that the server says.
#[derive(Debug, PartialEq)]
pub enum Word {
    Info(Info),
    /// MSG, or HMSG without its headers.
    Message(Message),
    Ping,
    Pong,
    /// The text of `-ERR`.
    Err(String),
}

#[derive(Debug, Deserialize, PartialEq)]
pub struct Info {
    /// What a login signs.
    pub nonce: Option<String>,
    #[serde(default)]
    pub tls_required: bool,
}

#[derive(Debug, PartialEq)]
pub struct Message {
    pub subject: String,
    /// The subscription.
    pub sid: usize,
    pub reply: Option<String>,
    pub payload: Bytes,
}

/// CONNECT.
#[derive(Debug, Serialize)]
pub struct Connect<'a> {
    pub name: &'a str,
    pub lang: &'static str,
    pub version: &'static str,
    pub protocol: u8,
    pub verbose: bool,
    pub pedantic: bool,
    pub echo: bool,
    /// Answers have headers.
    pub headers: bool,
    pub tls_required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nkey: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sig: Option<String>,
}

/// Cuts the server's words out of what comes.
#[derive(Debug, Default)]
pub struct Words {
    /// A message whose line has come: its bytes of headers, and all its bytes.
    body: Option<(Message, usize, usize)>,
}

impl Decoder for Words {
    type Item = Word;
    type Error = io::Error;

    fn decode(&mut self, bytes: &mut BytesMut) -> io::Result<Option<Word>> {
        loop {
            if let Some((_, head, total)) = &self.body {
                if bytes.len() < total + 2 {
                    bytes.reserve(total + 2 - bytes.len());
                    return Ok(None);
                }
                let (head, total) = (*head, *total);
                bytes.advance(head);
                let payload = bytes.split_to(total - head).freeze();
                if bytes.get_u16() != u16::from_be_bytes(*b"\r\n") {
                    return Err(unreadable("a message that doesn't end where it says"));
                }
                return Ok(self
                    .body
                    .take()
                    .map(|(message, ..)| Word::Message(Message { payload, ..message })));
            }
            let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") else {
                return if bytes.len() > LINE { Err(unreadable("a line without an end")) } else { Ok(None) };
            };
            let line = bytes.split_to(end + 2);
            // nats-server passes on whatever bytes a client names as its reply subject: they may not end a connection.
            let line = &*String::from_utf8_lossy(&line[..end]);
            let (verb, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
            match verb {
                "INFO" => return Ok(Some(Word::Info(serde_json::from_str(rest)?))),
                "PING" => return Ok(Some(Word::Ping)),
                "PONG" => return Ok(Some(Word::Pong)),
                "-ERR" => return Ok(Some(Word::Err(rest.trim_matches('\'').to_owned()))),
                "+OK" => {}
                "MSG" | "HMSG" => {
                    self.body = Some(message(verb == "HMSG", rest).ok_or_else(|| unreadable(line))?);
                }
                _ => return Err(unreadable(line)),
            }
        }
    }
}

fn unreadable(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("NATS says what can't be read: {what:.100}"))
}

/// `<subject> <sid> [reply] [bytes of headers] <bytes>`
fn message(has_headers: bool, rest: &str) -> Option<(Message, usize, usize)> {
    // As nats-server divides them: other white space is part of a subject.
    let mut parts: Vec<&str> = rest.split([' ', '\t']).filter(|part| !part.is_empty()).collect();
    let total: usize = parts.pop()?.parse().ok()?;
    let head: usize = if has_headers { parts.pop()?.parse().ok()? } else { 0 };
    let (subject, sid, reply) = match parts[..] {
        [subject, sid] => (subject, sid, None),
        [subject, sid, reply] => (subject, sid, Some(reply.to_owned())),
        _ => return None,
    };
    let message =
        Message { subject: subject.to_owned(), sid: sid.parse().ok()?, reply, payload: Bytes::new() };
    (head <= total && total <= MESSAGE).then_some((message, head, total))
}

/// PUB of an answer to `reply`, or HPUB of an error in the headers of the NATS services (ADR-32).
pub fn answer(reply: &str, outcome: &Result<Bytes, Problem>) -> Bytes {
    let mut out = BytesMut::new();
    match outcome {
        Ok(payload) => {
            out.put_slice(format!("PUB {reply} {}\r\n", payload.len()).as_bytes());
            out.put_slice(payload);
        }
        Err(problem) => {
            let mut head = format!(
                "NATS/1.0\r\n{NATS_SERVICE_ERROR}: {}\r\n{NATS_SERVICE_ERROR_CODE}: {}\r\n",
                problem.to_service_error(),
                problem.status
            );
            if let Some(seconds) = problem.retry_after {
                head += &format!("{RETRY_AFTER}: {seconds}\r\n");
            }
            head += "\r\n";
            out.put_slice(format!("HPUB {reply} {0} {0}\r\n{head}", head.len()).as_bytes());
        }
    }
    out.put_slice(b"\r\n");
    out.freeze()
}

#[cfg(test)]
mod tests {
    use kez_proto::Code;

    use super::*;

    /// The words in these bytes, however they are cut into pieces.
    fn words(text: &[u8]) -> io::Result<Vec<Word>> {
        let read = |pieces: usize| -> io::Result<Vec<Word>> {
            let (mut words, mut bytes, mut all) = (Words::default(), BytesMut::new(), vec![]);
            for piece in text.chunks(pieces) {
                bytes.extend_from_slice(piece);
                while let Some(word) = words.decode(&mut bytes)? {
                    all.push(word);
                }
            }
            Ok(all)
        };
        let whole = read(text.len());
        for pieces in [1, 2, 3, 7] {
            assert_eq!(read(pieces).ok(), whole.as_ref().ok().map(|_| read(text.len()).unwrap()));
        }
        whole
    }

    fn message(subject: &str, reply: Option<&str>, payload: &str) -> Word {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        Word::Message(Message { subject: subject.into(), sid: 1, reply: reply.map(String::from), payload })
    }

    #[test]
    fn messages_come_without_their_headers_whatever_those_are() {
        let said = b"MSG a 1 2\r\nhi\r\nMSG a 1 b 0\r\n\r\nHMSG a 1 b 8 10\r\njunk\r\n\r\n{}\r\nHMSG a 1 4 4\r\n\r\n\r\n\r\nPING\r\n";
        let expected = [
            message("a", None, "hi"),
            message("a", Some("b"), ""),
            message("a", Some("b"), "{}"),
            message("a", None, ""),
            Word::Ping,
        ];
        assert_eq!(words(said).unwrap(), expected);
    }

    #[test]
    fn the_other_words() {
        let said =
            b"INFO {\"nonce\":\"abc\",\"other\":[1]}\r\n+OK\r\nPONG\r\n-ERR 'Permissions Violation'\r\n";
        let info = Info { nonce: Some("abc".into()), tls_required: false };
        let expected = [Word::Info(info), Word::Pong, Word::Err("Permissions Violation".into())];
        assert_eq!(words(said).unwrap(), expected);
    }

    #[test]
    fn what_no_server_says_ends_the_connection() {
        for said in [
            "HELLO\r\n",
            "MSG a 1\r\n",
            "MSG a x 1\r\n",
            "MSG a 1 b c 1\r\n",
            "MSG a 1 -1\r\n",
            "MSG a 1 99999999999\r\n",
            "HMSG a 1 3 2\r\n..\r\n",
            "MSG a 1 1\r\nab\r\n",
            "INFO {\r\n",
        ] {
            assert!(words(said.as_bytes()).is_err(), "{said:?}");
        }
        // In one piece: each of so many would be looked through anew.
        let mut long = BytesMut::from(&[b'x'; LINE + 2][..]);
        assert!(Words::default().decode(&mut long).is_err());
    }

    /// Only a space and a tab divide a line, and nothing that a client may name for its reply is unreadable.
    #[test]
    fn any_bytes_may_be_a_reply_subject() {
        for reply in
            [&b"r.a\x0cb"[..], b"r.a\rb", b"r.a\x0bb", b"r.\xff\xfe", "r.\u{2003}.\u{85}".as_bytes(), b"\x00"]
        {
            let said = [b"MSG a 1 ", reply, b" 2\r\nhi\r\nPING\r\n"].concat();
            let expected = message("a", Some(&String::from_utf8_lossy(reply)), "hi");
            assert_eq!(words(&said).unwrap(), [expected, Word::Ping], "{reply:?}");
        }
    }

    #[test]
    fn an_answer_and_an_error() {
        assert_eq!(answer("r.1", &Ok(Bytes::from_static(b"{}"))), "PUB r.1 2\r\n{}\r\n");
        let mut problem = Problem::new(Code::RateLimited, "slow\r\ndown");
        problem.retry_after = Some(3);
        let head = "NATS/1.0\r\nNats-Service-Error: rate_limited: slow  down\r\nNats-Service-Error-Code: 429\r\nRetry-After: 3\r\n\r\n";
        let expected = format!("HPUB r.1 {0} {0}\r\n{head}\r\n", head.len());
        assert_eq!(answer("r.1", &Err(problem)), expected);
    }
}
