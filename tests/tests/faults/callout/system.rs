//! What an operator sees and does in the account `SYS`.

use async_nats::{Client, ConnectOptions};
use futures_util::{StreamExt, stream};
use kez_nats::Owner;
use kez_proto::subjects;
use kez_tests::{nats::Nats, within};
use nkeys::KeyPair;
use serde_json::{Value, json};

/// Connections that are ended at once: each must hear of it in time.
const KICKS: usize = 50;

/// A connection with the operator's key.
pub struct System {
    pub client: Client,
    /// Those that must answer a question to all.
    pub servers: usize,
}

/// A user's connection, as nats-server has it.
pub struct Connection {
    /// The server's id.
    pub server: String,
    id: u64,
    /// The user's name: a handle.
    pub handle: String,
}

impl System {
    /// Connects.
    pub async fn connect(nats: &Nats) -> Self {
        let seed = std::fs::read_to_string(nats.keys.seed_file(Owner::System)).unwrap();
        Self::with(&nats.url(), &KeyPair::from_seed(seed.trim()).unwrap()).await
    }

    /// Connects with this key.
    pub async fn with(url: &str, key: &KeyPair) -> Self {
        let options = ConnectOptions::with_nkey(key.seed().unwrap());
        let client = within("NATS lets the operator in", options.connect(url)).await.unwrap();
        Self { client, servers: 1 }
    }

    /// All connections of users, to every server.
    pub async fn users(&self) -> Vec<Connection> {
        let request = json!({"acc": "CHAT", "auth": true, "limit": 100_000}).to_string();
        let inbox = self.client.new_inbox();
        let mut answers = self.client.subscribe(inbox.clone()).await.unwrap();
        self.client.publish_with_reply(subjects::CONNECTIONS, inbox, request.into()).await.unwrap();
        let mut users = vec![];
        for _ in 0..self.servers {
            let answer = within("every server answers", answers.next()).await.unwrap();
            users.extend(connections(&answer.payload));
        }
        users
    }

    /// Ends all connections of users, as the auth callout ends those that must go.
    pub async fn kick_all(&self) {
        let kicks = self.users().await.into_iter().map(|connection| async move {
            let request = json!({"cid": connection.id}).to_string();
            self.client.request(subjects::kick(&connection.server), request.into()).await.unwrap();
        });
        stream::iter(kicks).buffer_unordered(KICKS).collect::<()>().await;
    }
}

/// What one server tells.
fn connections(answer: &[u8]) -> Vec<Connection> {
    let mut answer: Value = serde_json::from_slice(answer).unwrap();
    let server = answer["server"]["id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    let Value::Array(all) = answer["data"]["connections"].take() else { return vec![] };
    let connection = |c: Value| Connection {
        server: server.clone(),
        id: c["cid"].as_u64().unwrap(),
        handle: c["authorized_user"].as_str().unwrap_or_else(|| panic!("{c}")).to_owned(),
    };
    all.into_iter().map(connection).collect()
}
