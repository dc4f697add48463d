//! The all-in-one server with its own nats-server child.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
};

use crate::{Process, SERVER, nats::nats_server};

/// A running `kez-chat-server`.
pub struct ChatServer {
    /// The process.
    pub process: Process,
    /// Its data folder.
    pub db: PathBuf,
}

/// A port that was free a moment ago: for what must come back at the same address.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl ChatServer {
    /// Starts one on this data folder, ready, with the limits per address off.
    pub async fn start(db: &Path) -> Self {
        Self::start_at(db, "127.0.0.1:0").await
    }

    /// The same at this address.
    pub async fn start_at(db: &Path, bind: &str) -> Self {
        Self::start_with(&nats_server(), db, bind).await
    }

    /// The same with this nats-server.
    pub async fn start_with(nats_server: &Path, db: &Path, bind: &str) -> Self {
        let arguments = Self::arguments_with(nats_server, db, bind);
        let mut server = Self { process: Process::spawn("kez-chat-server", &arguments), db: db.into() };
        server.process.ready().await;
        server
    }

    /// Its command line.
    pub fn arguments(db: &Path, bind: &str) -> Vec<String> {
        Self::arguments_with(&nats_server(), db, bind)
    }

    fn arguments_with(nats: &Path, db: &Path, bind: &str) -> Vec<String> {
        let flags = [
            "--db",
            db.to_str().unwrap(),
            "--bind",
            bind,
            "--server",
            SERVER,
            "--nats-server",
            nats.to_str().unwrap(),
            "--drain-seconds",
            "2",
        ];
        let limits = [
            "--limit-requests",
            "--limit-sends",
            "--limit-registrations",
            "--limit-sessions",
            "--limit-streams",
        ]
        .into_iter()
        .flat_map(|l| [l, "0"]);
        flags.into_iter().chain(limits).map(String::from).collect()
    }

    /// Its base URL.
    pub fn url(&self) -> &str {
        self.process.address("http")
    }

    /// The process id of its nats-server.
    pub fn nats_pid(&self) -> i32 {
        let text = std::fs::read_to_string(self.db.join("nats/nats-server.pid")).unwrap();
        text.trim().parse().unwrap()
    }
}
