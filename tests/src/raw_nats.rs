//! A NATS client that says whatever a test wants, over TCP or WebSocket, and gives back word for word what the server says. It knows no rule: what is
//! malformed, forged or forbidden goes out as it is.

use std::{fmt, io};

use data_encoding::BASE64URL_NOPAD;
use futures_util::{SinkExt, StreamExt};
use nkeys::KeyPair;
use reqwest::header::{HeaderValue, ORIGIN};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_websockets::{ClientBuilder, MaybeTlsStream, Message, WebSocketStream};

use crate::{nats, nats::Nats, within};

/// How a client comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// WebSocket, from a page that the server takes.
    WebSocket,
}

impl Transport {
    /// Both.
    pub const ALL: [Transport; 2] = [Transport::Tcp, Transport::WebSocket];
}

/// One thing that a server says.
#[derive(Clone, PartialEq, Eq)]
pub enum Word {
    /// `+OK`, which it says to those who ask for it in CONNECT.
    Ok,
    /// The text of `-ERR`.
    Err(String),
    /// `MSG` or `HMSG`.
    Msg(Msg),
    /// It hung up. Nothing comes after it.
    Closed,
}

/// A message as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct Msg {
    /// The subject.
    pub subject: String,
    /// The subscription, as the client named it.
    pub sid: String,
    /// Where an answer goes.
    pub reply: Option<String>,
    /// The header block; empty if it has none.
    pub headers: String,
    /// The rest.
    pub payload: Vec<u8>,
}

impl Msg {
    /// All values of a header, whatever its case.
    pub fn header(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    /// The payload, which is JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Word::Ok => f.write_str("+OK"),
            Word::Err(text) => write!(f, "-ERR {text:.200}"),
            Word::Msg(msg) => msg.fmt(f),
            Word::Closed => f.write_str("closed"),
        }
    }
}

impl fmt::Debug for Msg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, sid, reply, headers, payload } = self;
        let payload = String::from_utf8_lossy(payload);
        write!(f, "MSG {subject} {sid} {reply:?} {headers:?} {payload:.300}")
    }
}

/// A connection.
pub struct RawNats {
    wire: Wire,
    unread: Vec<u8>,
    closed: bool,
    /// The newest INFO.
    pub info: Value,
    /// What is to be signed; the first INFO alone has it.
    pub nonce: String,
}

enum Wire {
    Tcp(TcpStream),
    WebSocket(Box<WebSocketStream<MaybeTlsStream<TcpStream>>>),
}

impl RawNats {
    /// Opens a connection that isn't logged in.
    pub async fn open(server: &Nats, transport: Transport) -> Self {
        let wire = within("a client reaches nats-server", async {
            match transport {
                Transport::Tcp => {
                    let stream = TcpStream::connect(server.address).await.unwrap();
                    stream.set_nodelay(true).unwrap();
                    Wire::Tcp(stream)
                }
                Transport::WebSocket => {
                    let builder = ClientBuilder::new().uri(&server.ws_url()).unwrap();
                    let builder = builder.add_header(ORIGIN, HeaderValue::from_static(nats::ORIGIN));
                    Wire::WebSocket(Box::new(builder.unwrap().connect().await.unwrap().0))
                }
            }
        });
        let wire = wire.await;
        let mut client =
            Self { wire, unread: vec![], closed: false, info: Value::Null, nonce: String::new() };
        within("nats-server says INFO", async {
            while client.info.is_null() {
                assert!(client.fill().await, "it hung up before INFO");
                assert_eq!(client.parse(), None);
            }
        })
        .await;
        client.nonce = client.info["nonce"].as_str().unwrap().to_owned();
        client
    }

    /// The members of CONNECT by which this key logs in, having signed this text.
    pub fn signed(key: &KeyPair, text: &str) -> Value {
        let signature = BASE64URL_NOPAD.encode(&key.sign(text.as_bytes()).unwrap());
        json!({"nkey": key.public_key(), "sig": signature})
    }

    /// Says CONNECT with these members and what every client has, and gives back all that the server says to it: nothing, if it lets the client in.
    pub async fn connect(&mut self, members: Value) -> Vec<Word> {
        let mut connect = json!({
            "verbose": false, "pedantic": false, "protocol": 1, "headers": true, "no_responders": true,
            "lang": "raw", "version": "1",
        });
        connect.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        self.say(format!("CONNECT {connect}\r\n")).await;
        self.settle().await
    }

    /// Says this. Whether the server still listens shows in what it answers.
    pub async fn say(&mut self, words: impl AsRef<[u8]>) {
        let words = words.as_ref();
        let said = within("nats-server takes what is said", async {
            match &mut self.wire {
                Wire::Tcp(stream) => stream.write_all(words).await,
                Wire::WebSocket(stream) => {
                    stream.send(Message::binary(words.to_vec())).await.map_err(io::Error::other)
                }
            }
        });
        drop(said.await);
    }

    /// All that the server says up to its answer to a ping, or to its end: it takes in order what one client says.
    pub async fn settle(&mut self) -> Vec<Word> {
        self.say("PING\r\n").await;
        let mut words = vec![];
        within("nats-server answers a ping", async {
            loop {
                match self.next().await {
                    Some(word @ Word::Closed) => {
                        words.push(word);
                        return;
                    }
                    Some(word) => words.push(word),
                    None => return,
                }
            }
        })
        .await;
        words
    }

    /// The next message; nothing else may come before it.
    pub async fn msg(&mut self) -> Msg {
        match within("a message comes", self.next()).await {
            Some(Word::Msg(msg)) => msg,
            other => panic!("instead of a message came {other:?}"),
        }
    }

    /// The next word; `None` is the answer to a ping.
    async fn next(&mut self) -> Option<Word> {
        loop {
            match self.parse() {
                Some(Parsed::Word(word)) => return Some(word),
                Some(Parsed::Pong) => return None,
                Some(Parsed::Ping) => self.say("PONG\r\n").await,
                None if self.closed || !self.fill().await => {
                    self.closed = true;
                    return Some(Word::Closed);
                }
                None => {}
            }
        }
    }

    /// Takes what came; false at the end.
    async fn fill(&mut self) -> bool {
        match &mut self.wire {
            Wire::Tcp(stream) => stream.read_buf(&mut self.unread).await.is_ok_and(|n| n > 0),
            Wire::WebSocket(stream) => match stream.next().await {
                Some(Ok(message)) if message.is_close() => false,
                Some(Ok(message)) => {
                    self.unread.extend_from_slice(message.as_payload());
                    true
                }
                Some(Err(_)) | None => false,
            },
        }
    }

    /// The next whole word of what came.
    fn parse(&mut self) -> Option<Parsed> {
        loop {
            let end = self.unread.windows(2).position(|two| two == b"\r\n")?;
            let line = String::from_utf8_lossy(&self.unread[..end]).into_owned();
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            let mut body = 0;
            let parsed = match verb {
                "INFO" => {
                    self.info = serde_json::from_str(rest).unwrap();
                    None
                }
                "PING" => Some(Parsed::Ping),
                "PONG" => Some(Parsed::Pong),
                "+OK" => Some(Parsed::Word(Word::Ok)),
                "-ERR" => Some(Parsed::Word(Word::Err(rest.trim_matches('\'').to_owned()))),
                "MSG" | "HMSG" => {
                    let (msg, length) = message(verb, rest, &self.unread[end + 2..])?;
                    body = length;
                    Some(Parsed::Word(Word::Msg(msg)))
                }
                _ => panic!("nats-server says {line:?}"),
            };
            self.unread.drain(..end + 2 + body);
            if parsed.is_some() {
                return parsed;
            }
        }
    }
}

#[derive(Debug, PartialEq)]
enum Parsed {
    Word(Word),
    Ping,
    Pong,
}

/// A message, if all of it came, and how many bytes it has after its first line.
fn message(verb: &str, rest: &str, bytes: &[u8]) -> Option<(Msg, usize)> {
    let mut parts: Vec<&str> = rest.split_ascii_whitespace().collect();
    let size = |part: Option<&str>| part.unwrap().parse::<usize>().unwrap();
    let total = size(parts.pop());
    let head = if verb == "HMSG" { size(parts.pop()) } else { 0 };
    let body = bytes.get(..total + 2)?;
    assert!(body.ends_with(b"\r\n"), "a message doesn't end where it says");
    let msg = Msg {
        subject: parts[0].to_owned(),
        sid: parts[1].to_owned(),
        reply: parts.get(2).map(ToString::to_string),
        headers: String::from_utf8(body[..head].to_vec()).unwrap(),
        payload: body[head..total].to_vec(),
    };
    Some((msg, total + 2))
}
