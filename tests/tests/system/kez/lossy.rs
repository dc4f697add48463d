//! A way to a server on which answers get lost.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// It ends with this value.
pub struct Lossy {
    /// Where it is.
    pub url: String,
    left: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl Lossy {
    /// One to the server at this `http://` address that loses the first `losses` answers to appends: the server has the event, and the caller doesn't learn of it.
    pub async fn start(server: &str, losses: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (server, left) =
            (server.trim_start_matches("http://").to_owned(), Arc::new(AtomicUsize::new(losses)));
        let (mut serving, count) = (JoinSet::new(), left.clone());
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (server, count) = (server.clone(), count.clone());
                connections.spawn(async move {
                    let server = TcpStream::connect(server).await.unwrap();
                    // Whoever has what they wanted hangs up.
                    let _ = carry(client, server, &count).await;
                });
            }
        });
        Self { url, left, _serving: serving }
    }

    /// How many answers will still be lost.
    pub fn left(&self) -> usize {
        self.left.load(SeqCst)
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, left: &AtomicUsize) -> std::io::Result<()> {
    let (mut up, mut down) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut appending = false;
    loop {
        tokio::select! {
            read = client.read(&mut up) => match read? {
                0 => return Ok(()),
                n => {
                    appending |= up[..n].starts_with(b"POST /v1/sigchains/");
                    server.write_all(&up[..n]).await?;
                }
            },
            read = server.read(&mut down) => match read? {
                0 => return Ok(()),
                n => {
                    let lost = appending && left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
                    if lost {
                        return Ok(());
                    }
                    appending = false;
                    client.write_all(&down[..n]).await?;
                }
            },
        }
    }
}
