//! One connection of a responder: made, logged in and subscribed.

use std::{io, net::SocketAddr, time::Duration};

use async_nats::{ServerAddr, rustls::pki_types::ServerName};
use data_encoding::BASE64URL_NOPAD;
use futures_util::StreamExt;
use nkeys::KeyPair;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tokio_util::codec::FramedRead;

use super::wire::{Connect, Info, Word, Words};

/// For all that there is to do until a connection to one address is of use.
const PATIENCE: Duration = Duration::from_secs(5);

pub trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// A connection in use: what it reads, and where it writes.
pub type Halves = (FramedRead<ReadHalf<Box<dyn Socket>>, Words>, WriteHalf<Box<dyn Socket>>);

/// How to make one.
pub struct Plan {
    pub name: &'static str,
    pub servers: Vec<ServerAddr>,
    pub key: Option<KeyPair>,
    pub tls: TlsConnector,
    /// The subscriptions' subjects, in the order of their numbers from 0.
    pub subjects: Vec<&'static str>,
    /// The queue group of all of them.
    pub queue: &'static str,
}

impl Plan {
    /// Goes through the servers, from the `first`, until one takes it.
    pub async fn connect(&self, first: usize) -> Result<Halves, String> {
        let mut why = String::from("no server is named");
        for n in 0..self.servers.len() {
            let server = &self.servers[(first + n) % self.servers.len()];
            let at = format!("{}:{}", server.host(), server.port());
            let addresses = match timeout(PATIENCE, lookup_host((server.host(), server.port()))).await {
                Ok(Ok(addresses)) => addresses,
                Ok(Err(e)) => {
                    why = format!("{at} isn't found: {e}");
                    continue;
                }
                Err(_) => {
                    why = format!("{at} isn't found: the name service doesn't answer");
                    continue;
                }
            };
            for address in addresses {
                match timeout(PATIENCE, self.open(address, server)).await {
                    Ok(Ok(halves)) => return Ok(halves),
                    Ok(Err(e)) => why = format!("{at} can't be used: {e}"),
                    Err(_) => why = format!("{at} doesn't answer"),
                }
            }
        }
        Err(why)
    }

    async fn open(&self, address: SocketAddr, server: &ServerAddr) -> io::Result<Halves> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut words = FramedRead::new(Box::new(stream) as Box<dyn Socket>, Words::default());
        let info = match next(&mut words).await? {
            Word::Info(info) => info,
            other => return Err(io::Error::other(format!("it began with {other:?}"))),
        };
        let secured = server.tls_required() || info.tls_required;
        let socket = if secured {
            if !words.read_buffer().is_empty() {
                return Err(io::Error::other("it spoke in the clear where TLS must begin"));
            }
            let name = ServerName::try_from(server.host().to_owned()).map_err(io::Error::other)?;
            Box::new(self.tls.connect(name, words.into_inner()).await?) as Box<dyn Socket>
        } else {
            words.into_inner()
        };
        let (reader, mut writer) = tokio::io::split(socket);
        let mut words = FramedRead::new(reader, Words::default());
        writer.write_all(self.greeting(&info, secured)?.as_bytes()).await?;
        writer.flush().await?;
        // The answer to the ping shows that NATS has the subscriptions.
        loop {
            match next(&mut words).await? {
                Word::Pong => return Ok((words, writer)),
                Word::Ping => {
                    writer.write_all(b"PONG\r\n").await?;
                    writer.flush().await?;
                }
                Word::Err(text) => return Err(io::Error::other(text)),
                // A request that comes before the connection is of use has no answer; its caller asks again.
                Word::Info(_) | Word::Message(_) => {}
            }
        }
    }

    fn greeting(&self, info: &Info, tls_required: bool) -> io::Result<String> {
        let login = match (&self.key, &info.nonce) {
            (Some(key), Some(nonce)) => {
                let signature = key.sign(nonce.as_bytes()).map_err(io::Error::other)?;
                Some((key.public_key(), BASE64URL_NOPAD.encode(&signature)))
            }
            _ => None,
        };
        let (nkey, sig) = login.unzip();
        let connect = Connect {
            name: self.name,
            lang: "rust",
            version: env!("CARGO_PKG_VERSION"),
            protocol: 1,
            verbose: false,
            pedantic: false,
            echo: false,
            headers: true,
            tls_required,
            nkey,
            sig,
        };
        let mut greeting = format!("CONNECT {}\r\n", serde_json::to_string(&connect)?);
        for (sid, subject) in self.subjects.iter().enumerate() {
            greeting += &format!("SUB {subject} {} {sid}\r\n", self.queue);
        }
        Ok(greeting + "PING\r\n")
    }
}

async fn next(words: &mut FramedRead<impl AsyncRead + Unpin, Words>) -> io::Result<Word> {
    words.next().await.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))
}
