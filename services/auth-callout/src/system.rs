//! What is asked and heard in the system account: who is connected, who came and went, and the end of a connection.

use std::time::Duration;

use async_nats::Message;
use futures_util::StreamExt;
use kez_kit::{Nats, trace::Subject};
use kez_proto::{Handle, subjects};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::live::{Place, Seen};

/// A nats-server that doesn't answer in this time is away.
const DEADLINE: Duration = Duration::from_secs(1);
/// How often a nats-server is asked to end a connection, if it doesn't answer.
const KICKS: u32 = 5;
/// Connections in one answer. Pages overlap, since a connection that ends moves those behind it.
const PAGE: u64 = 1024;
const OVERLAP: u64 = 64;

/// The system account.
#[derive(Clone)]
pub struct System {
    pub nats: Nats,
}

#[derive(Deserialize)]
struct Server {
    id: String,
}

#[derive(Deserialize)]
struct Event {
    server: Server,
    client: EventClient,
}

#[derive(Deserialize)]
struct EventClient {
    id: u64,
    user: String,
    start: String,
}

#[derive(Deserialize)]
struct Answer<T> {
    server: Server,
    data: Option<T>,
}

#[derive(Deserialize)]
struct Connections {
    total: u64,
    #[serde(default)]
    connections: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    cid: u64,
    #[serde(default)]
    authorized_user: String,
    start: String,
}

/// Where the connection was that an event is about.
pub fn ended(message: &Message) -> Option<Place> {
    #[derive(Deserialize)]
    struct Ended {
        server: Server,
        client: EndedClient,
    }
    #[derive(Deserialize)]
    struct EndedClient {
        id: u64,
    }
    let Ended { server, client } = json(&message.payload)?;
    Some(Place::new(&server.id, client.id))
}

/// The connection that an event is about.
pub fn event(message: &Message) -> Option<Seen> {
    let Event { server, client } = json(&message.payload)?;
    seen(&server.id, client.id, &client.user, &client.start)
}

impl System {
    /// Ends a connection, if it is there. Fails where its nats-server can't be asked, also a while later.
    pub async fn kick(&self, place: &Place) -> Result<(), String> {
        let body = json!({ "cid": place.client }).to_string();
        let mut attempt = 1;
        loop {
            let subject = Subject::named(subjects::KICK, subjects::kick(&place.server));
            match self.nats.request(subject, body.clone().into(), DEADLINE).await {
                Ok(_) => return Ok(()),
                Err(why) if attempt == KICKS => return Err(why.to_string()),
                Err(_) => tokio::time::sleep(DEADLINE).await,
            }
            attempt += 1;
        }
    }

    /// Every connection of a user to any nats-server.
    pub async fn connections(&self) -> Result<Vec<Seen>, String> {
        let mut all = Vec::new();
        let (mut offset, mut servers) = (0, usize::MAX);
        loop {
            let page = self.page(offset, servers).await?;
            servers = page.len();
            let more = page.iter().any(|(_, connections)| connections.total > offset + PAGE);
            for (server, connections) in page {
                let each = connections.connections.iter();
                all.extend(each.filter_map(|c| seen(&server, c.cid, &c.authorized_user, &c.start)));
            }
            if !more {
                return Ok(all);
            }
            offset += PAGE - OVERLAP;
        }
    }

    /// One page of each server's, as soon as so many have answered. How many there are isn't known at first: those that answer in time.
    async fn page(&self, offset: u64, servers: usize) -> Result<Vec<(String, Connections)>, String> {
        if !self.nats.is_connected() {
            return Err("NATS is away".into());
        }
        let inbox = self.nats.client.new_inbox();
        let mut answers = self.nats.client.subscribe(inbox.clone()).await.map_err(|e| e.to_string())?;
        let asked = json!({ "acc": "CHAT", "auth": true, "sort": "cid", "offset": offset, "limit": PAGE });
        let asked = asked.to_string().into();
        let sent = self.nats.client.publish_with_reply(subjects::CONNECTIONS, inbox, asked).await;
        sent.map_err(|e| e.to_string())?;
        let mut pages = Vec::new();
        let until = tokio::time::Instant::now() + DEADLINE;
        while pages.len() < servers
            && let Ok(Some(message)) = tokio::time::timeout_at(until, answers.next()).await
        {
            let answer: Option<Answer<Connections>> = json(&message.payload);
            let answer = answer.and_then(|a| Some((a.server.id, a.data?)));
            pages.push(answer.ok_or("a list of connections that can't be read")?);
        }
        if pages.is_empty() { Err("no nats-server answers".into()) } else { Ok(pages) }
    }
}

fn json<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    let parsed = serde_json::from_slice(payload);
    parsed.inspect_err(|error| tracing::warn!(%error, "nats-server said what can't be read")).ok()
}

/// Whoever is in the users' account under a name that is no handle was put there by somebody else, and isn't ours to count.
fn seen(server: &str, client: u64, user: &str, start: &str) -> Option<Seen> {
    let handle: Handle = user.parse().ok()?;
    let began = OffsetDateTime::parse(start, &Rfc3339).ok()?;
    Some(Seen { place: Place::new(server, client), handle, began })
}
