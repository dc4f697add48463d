//! The two ways to the server, for the requests that both have.

use std::cell::Cell;

use kez_client::{
    Client, Error,
    nats::{Connection, Nats},
};
use kez_proto::{Code, Handle, Primary, mail::Sent, registry::Record};
use serde_json::value::RawValue;

/// HTTP, or NATS as a member.
pub enum Door {
    Http(Client),
    /// With the connection that the next request may use.
    Nats(Nats, Cell<Option<Box<Connection>>>),
}

impl Door {
    pub fn nats(nats: Nats) -> Self {
        Self::Nats(nats, Cell::new(None))
    }

    /// Where it leads, for people.
    pub fn url(&self) -> &str {
        match self {
            Self::Http(client) => client.base_url(),
            Self::Nats(nats, _) => nats.url(),
        }
    }

    pub async fn send(&self, to: &Handle, envelope: &RawValue) -> Result<Sent, Error> {
        match self {
            Self::Http(client) => client.send(to, envelope).await,
            Self::Nats(nats, open) => over(nats, open, async |c| c.send(to, envelope).await).await,
        }
    }

    pub async fn lookup(&self, handle: &Handle) -> Result<Record, Error> {
        let record = match self {
            Self::Http(client) => client.lookup(handle).await?,
            Self::Nats(nats, open) => over(nats, open, async |c| c.lookup(handle).await).await?,
        };
        if record.handle == *handle { Ok(record) } else { Err(self.another()) }
    }

    /// The record of a key, if it has one here.
    pub async fn by_primary(&self, primary: &Primary) -> Result<Option<Record>, Error> {
        let answer = match self {
            Self::Http(client) => client.by_primary(primary).await,
            Self::Nats(nats, open) => over(nats, open, async |c| c.by_primary(primary).await).await,
        };
        match answer {
            Ok(record) if record.primary == *primary => Ok(Some(record)),
            Ok(_) => Err(self.another()),
            Err(error) if error.code() == Some(Code::UnknownPrimary) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ends the connection that a later request would use.
    pub fn close(&self) {
        if let Self::Nats(_, open) = self {
            open.take();
        }
    }

    fn another(&self) -> Error {
        let detail = "it gave another record than was asked for".into();
        Error::Protocol { url: self.url().to_owned(), status: None, detail }
    }
}

/// One request; its connection is kept unless it failed.
async fn over<T>(
    nats: &Nats,
    open: &Cell<Option<Box<Connection>>>,
    request: impl AsyncFnOnce(&Connection) -> Result<T, Error>,
) -> Result<T, Error> {
    let connection = match open.take() {
        Some(connection) => connection,
        None => Box::new(nats.connect().await?),
    };
    let answer = request(&connection).await;
    if answer.is_ok() {
        open.set(Some(connection));
    }
    answer
}
