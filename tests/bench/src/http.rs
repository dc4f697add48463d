//! A client that costs little, so that what is measured is the server: one HTTP/1.1 connection for each sender and each reader.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, StatusCode,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use memchr::memmem;
use tokio::{net::TcpStream, task::JoinSet};

use crate::{arrivals::Arrivals, message};

/// A connection that idled for longer may be ended by the server just now: another one is opened.
const IDLE: Duration = Duration::from_secs(5);

/// An open connection.
pub struct Connection {
    address: SocketAddr,
    requests: SendRequest<Full<Bytes>>,
    used: Instant,
    /// Ends with it.
    _driver: JoinSet<()>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server takes a connection");
        stream.set_nodelay(true).expect("a socket's option");
        let (requests, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            let _ = connection.await;
        });
        Self { address, requests, used: Instant::now(), _driver: driver }
    }

    /// The status of the answer, and its body.
    pub async fn ask(&mut self, method: &str, path: &str, auth: &str, body: Bytes) -> (StatusCode, Bytes) {
        let (status, incoming) = self.begin(method, path, auth, body).await;
        (status, incoming.collect().await.expect("an answer to its end").to_bytes())
    }

    async fn begin(&mut self, method: &str, path: &str, auth: &str, body: Bytes) -> (StatusCode, Incoming) {
        let request = Request::builder().method(method).uri(path).header("host", self.address.to_string());
        let request = request.header("content-type", "application/json").header("x-kez-auth", auth);
        let request = request.body(Full::new(body)).expect("a request");
        if self.used.elapsed() > IDLE {
            *self = Self::open(self.address).await;
        }
        self.used = Instant::now();
        self.requests.ready().await.expect("the connection is open");
        let answer = self.requests.send_request(request).await.expect("an answer");
        (answer.status(), answer.into_body())
    }
}

/// A reader of a stream of server-sent events.
pub struct Stream {
    _connection: Connection,
    body: Incoming,
    bytes: BytesMut,
}

impl Stream {
    /// Opens it; it has said its first word.
    pub async fn open(address: SocketAddr, path: &str, auth: &str) -> Self {
        let mut connection = Connection::open(address).await;
        let (status, body) = connection.begin("GET", path, auth, Bytes::new()).await;
        assert_eq!(status, 200, "{path}");
        let mut stream = Self { _connection: connection, body, bytes: BytesMut::new() };
        assert!(stream.more().await, "{path} ended at once");
        stream
    }

    /// Reads to its end.
    pub async fn read(mut self, arrivals: Arc<Arrivals>) {
        loop {
            while let Some(end) = memmem::find(&self.bytes, b"\n\n") {
                let event = self.bytes.split_to(end + 2);
                if let Some(n) = message::number(&event) {
                    arrivals.came(n);
                }
            }
            if !self.more().await {
                return;
            }
        }
    }

    async fn more(&mut self) -> bool {
        let Some(Ok(frame)) = self.body.frame().await else { return false };
        if let Some(data) = frame.data_ref() {
            self.bytes.extend_from_slice(data);
        }
        true
    }
}
