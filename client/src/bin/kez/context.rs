//! What every command needs: the folder, the server, the output.

use std::{sync::Arc, time::Duration};

use kez_client::{
    Client, Error, Home, Identity,
    home::Profile,
    nats::{Authority, Credential, Nats, address},
    retry,
    sealing::Opener,
};
use kez_proto::{Code, server::ServerInfo};
use tokio::time::sleep;

use crate::{
    args::{Args, NatsFlags},
    failure::Failure,
    output::Output,
};

const DEFAULT_URL: &str = "http://127.0.0.1:6969";
/// A person wonders after so long.
const WONDER: Duration = Duration::from_secs(2);

pub struct Context {
    pub home: Home,
    pub out: Output,
    server_url: Option<String>,
    /// The server of whoever is nowhere yet.
    default_url: String,
}

/// Somebody who has registered.
pub struct Member {
    pub identity: Arc<Identity>,
    pub profile: Profile,
    pub client: Client,
}

impl Context {
    pub fn new(args: &Args) -> Result<Self, Failure> {
        let home = Home::locate(args.home.clone())?;
        let (out, server_url) = (Output::new(args.json), args.server_url.clone());
        Ok(Self { home, out, server_url, default_url: DEFAULT_URL.to_owned() })
    }

    /// The same for somebody else, in a folder below, who begins where this user is.
    pub fn within(&self, folder: &str) -> Result<Self, Failure> {
        let (home, server_url) = (self.home.below(folder), self.server_url.clone());
        let own = self.home.profile()?.map(|own| own.server_url);
        Ok(Self { home, out: self.out, server_url, default_url: own.unwrap_or(DEFAULT_URL.to_owned()) })
    }

    /// The server that was named, else the profile's, else the one on this machine.
    pub fn url(&self, profile: Option<&Profile>) -> String {
        let known = || profile.map(|p| p.server_url.clone());
        self.server_url.clone().or_else(known).unwrap_or_else(|| self.default_url.clone())
    }

    pub fn client(&self, profile: Option<&Profile>) -> Result<Client, Failure> {
        Client::new(&self.url(profile)).map_err(|e| match e {
            Error::Address { .. } => Failure::Usage(e.to_string()),
            _ => e.into(),
        })
    }

    /// The registered user, or word of what to do first.
    pub fn member(&self) -> Result<Member, Failure> {
        let Some(profile) = self.home.profile()? else {
            return Err(Failure::refused(
                "you have no name at a server yet; take one with: kez register <handle>",
            ));
        };
        let identity = Arc::new(self.home.identity()?);
        if self.home.is_changing() {
            self.out
                .status("A change of keys has begun and hasn't ended; go on with it: kez sigchain rotate");
        }
        let client = self.client(Some(&profile))?;
        Ok(Member { identity, profile, client })
    }

    /// Opens this member's mail, under the keys that they had before, too.
    pub fn opener(&self, member: &Member) -> Result<Opener, Failure> {
        Ok(Opener::with_earlier(&member.identity, &self.home.old_identities()?))
    }

    /// NATS as this member: at the address that was given, else where the server that `ask` asks says that it is. Without TLS only where the user
    /// named it, or where the server itself is reached without.
    pub async fn nats<F: Future<Output = Result<ServerInfo, Error>>>(
        &self,
        member: &Member,
        flags: NatsFlags,
        ask: impl FnOnce() -> F,
    ) -> Result<Nats, Failure> {
        let authority = flags.nats_ca.map(|file| {
            Authority::read(&file)
                .map_err(|e| Failure::Usage(format!("can't use --nats-ca {}: {e}", file.display())))
        });
        let authority = authority.transpose()?;
        let given = flags.nats.flatten();
        let named = given.is_some();
        let url = match given {
            Some(url) => {
                if address::is_exposed(&url) {
                    self.out.status(&format!(
                        "Warning: {url} has no TLS; others on the way can read and change what is sent."
                    ));
                }
                url
            }
            None => {
                let server = member.client.base_url();
                let told = ask().await?.nats.unwrap_or_default();
                let nowhere = || {
                    Failure::refused(format!(
                        "{server} doesn't say where its NATS is; name its address: --nats=URL"
                    ))
                };
                address::choose(server, &told)?.ok_or_else(nowhere)?
            }
        };
        let Profile { server, handle, .. } = member.profile.clone();
        let nats = Nats::new(&url, server, handle, Credential::Key(member.identity.clone()));
        let nats = match authority {
            Some(authority) => nats.and_then(|nats| nats.trusting(authority)),
            None => nats,
        };
        nats.map_err(|e| match e {
            Error::Address { .. } if named => Failure::Usage(e.to_string()),
            _ => e.into(),
        })
    }

    /// Signs and sends; where the server calls the time stale, once more a second later. What happens to a name in the second of what happened to it before
    /// is refused so, and its clock needn't be wrong.
    pub async fn sign_again_if_stale<T>(
        &self,
        attempt: impl AsyncFn() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match attempt().await {
            Err(Failure::Refused { code: Some(Code::StaleTimestamp), .. }) => {
                sleep(Duration::from_secs(1)).await;
                attempt().await
            }
            outcome => outcome,
        }
    }

    /// Sends the same bytes a few times until they are taken, and says so when that takes a while.
    pub async fn insist<T, F: Future<Output = Result<T, Error>>>(
        &self,
        server: &str,
        request: impl FnMut() -> F,
    ) -> Result<T, Error> {
        let attempts = retry::a_few_times(request, |error, delay| {
            if delay >= WONDER {
                self.out.status(&format!("{error}; trying again in {} s", delay.as_secs()));
            }
        });
        let mut attempts = std::pin::pin!(attempts);
        match tokio::time::timeout(WONDER, &mut attempts).await {
            Ok(outcome) => outcome,
            Err(_) => {
                self.out.status(&format!("still waiting for {server} …"));
                attempts.await
            }
        }
    }
}
