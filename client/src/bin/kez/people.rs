//! Who has which key: the server says so, and what is known already has the last word.

use std::{collections::HashMap, time::Duration};

use kez_client::{Client, Error, Home, home::Profile};
use kez_proto::{Handle, Primary};
use tokio::time::{Instant, timeout};

use crate::{door::Door, failure::Failure, trust::is_successor};

/// A reader waits so long for a name, then reads on without it …
const NAME: Duration = Duration::from_secs(2);
/// … and doesn't ask again for so long.
const PAUSE: Duration = Duration::from_secs(30);
/// Names that are remembered: whoever writes under one key after the other costs no more than this.
const NAMES: usize = 4096;

/// The names of those who wrote, each asked for once.
pub struct People<'a> {
    home: &'a Home,
    profile: &'a Profile,
    client: &'a Client,
    door: Door,
    names: HashMap<Primary, Option<Handle>>,
    paused_until: Option<Instant>,
}

impl<'a> People<'a> {
    /// Asks at `door`, and over HTTP for identity logs.
    pub fn new(home: &'a Home, profile: &'a Profile, client: &'a Client, door: Door) -> Self {
        Self { home, profile, client, door, names: HashMap::new(), paused_until: None }
    }

    /// `handle@server` of a key. `None` where it has none here, where nobody answers, or where the handle is known with another key.
    pub async fn address(&mut self, primary: &Primary) -> Result<Option<String>, Failure> {
        let handle = self.handle(primary).await?;
        Ok(handle.map(|handle| format!("{handle}@{}", self.profile.server)))
    }

    async fn handle(&mut self, primary: &Primary) -> Result<Option<Handle>, Failure> {
        if let Some(known) = self.names.get(primary) {
            return Ok(known.clone());
        }
        if self.paused_until.is_some_and(|until| Instant::now() < until) {
            return Ok(None);
        }
        // Read anew: another command may have pinned a key meanwhile.
        let pins = self.home.pins()?;
        let ask = async {
            let Some(record) = self.door.by_primary(primary).await? else { return Ok(None) };
            let good = match pins.get(&record.handle, &self.profile.server) {
                Some(pinned) if pinned != *primary => is_successor(self.client, &pinned, primary).await?,
                _ => true,
            };
            Ok::<_, Error>(good.then_some(record.handle))
        };
        let answer = timeout(NAME, ask).await;
        self.door.close();
        let Ok(Ok(handle)) = answer else {
            self.paused_until = Some(Instant::now() + PAUSE);
            return Ok(None);
        };
        if self.names.len() >= NAMES {
            self.names.clear();
        }
        self.names.insert(*primary, handle.clone());
        Ok(handle)
    }
}
