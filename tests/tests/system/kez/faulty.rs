//! A way to a server on which one thing goes wrong.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// What goes wrong.
#[derive(Clone, Copy)]
pub enum Fault {
    /// Streams bring no messages.
    Silent,
    /// One character of each message is another one.
    Spoilt,
    /// Whoever deletes gets no answer.
    Undeleted,
}

/// It ends with this value.
pub struct Faulty {
    /// Where it is.
    pub url: String,
    _serving: JoinSet<()>,
}

impl Faulty {
    /// One to the server at this `http://` address.
    pub async fn start(server: &str, fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = server.trim_start_matches("http://").to_owned();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = server.clone();
                connections.spawn(async move {
                    let server = TcpStream::connect(server).await.unwrap();
                    // Whoever has what they wanted hangs up.
                    let _ = carry(client, server, fault).await;
                });
            }
        });
        Self { url, _serving: serving }
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, fault: Fault) -> io::Result<()> {
    let (mut up, mut down) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => match (read?, fault) {
                (0, _) => return Ok(()),
                (_, Fault::Undeleted) if up.starts_with(b"DELETE ") => return Ok(()),
                (n, _) => server.write_all(&up[..n]).await?,
            },
            read = server.read(&mut down) => match (read?, fault) {
                (0, _) => return Ok(()),
                (n, Fault::Silent) if find(&down[..n], b"event: message").is_some() => {}
                (n, fault) => {
                    if let (Fault::Spoilt, Some(at)) = (fault, find(&down[..n], b"\"ct\":\"")) {
                        let character = &mut down[at + 6];
                        *character = if *character == b'A' { b'B' } else { b'A' };
                    }
                    client.write_all(&down[..n]).await?;
                }
            },
        }
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}
