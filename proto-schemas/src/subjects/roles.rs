//! The processes of a deployment, and the least that each may do.

use super::*;

/// A process of the deployment with an nkey of its own in the `KEZ` account, or who runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// `kez-registry`
    Registry,
    /// `kez-fanout`
    Fanout,
    /// `kez-registry`, where it answers clients
    RegistryClients,
    /// `kez-fanout`, where it answers clients
    FanoutClients,
    /// `kez-sigchain`
    Sigchain,
    /// `kez-gateway`
    Gateway,
    /// `kez-auth-callout`, which has users in the accounts `AUTH` and `SYS` too
    AuthCallout,
    /// The operator: `kez backup`, `kez restore` and `kez admin`
    Operator,
}

impl Role {
    /// All roles.
    pub const ALL: [Role; 8] = [
        Role::Registry,
        Role::RegistryClients,
        Role::Fanout,
        Role::FanoutClients,
        Role::Sigchain,
        Role::Gateway,
        Role::AuthCallout,
        Role::Operator,
    ];

    /// The role's short name: its key file, its inbox prefix, its connection name.
    pub fn name(self) -> &'static str {
        match self {
            Role::Registry => "registry",
            Role::RegistryClients => "registry-clients",
            Role::FanoutClients => "fanout-clients",
            Role::Fanout => "fanout",
            Role::Sigchain => "sigchain",
            Role::Gateway => "gateway",
            Role::AuthCallout => "auth-callout",
            Role::Operator => "operator",
        }
    }

    /// Prefix of the role's reply inboxes, so that no service can read another's replies.
    pub fn inbox_prefix(self) -> String {
        format!("_INBOX_{}", self.name())
    }

    /// The least that the role needs on a deployment with `partitions` inbox streams. Allow-lists only, never empty.
    pub fn permissions(self, partitions: u16) -> Permissions {
        let owned = |s: &[&str]| s.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let mut subscribe = vec![format!("{}.>", self.inbox_prefix())];
        let mut publish = Vec::new();
        match self {
            // Where the client wants its answer is the client's word: whatever it says, an answer can come to a reply inbox and nowhere else.
            Role::RegistryClients | Role::FanoutClients => {
                let asked: &[&str] = match self {
                    Role::RegistryClients => &[CLIENT_LOOKUP],
                    _ => &[CLIENT_SEND, CLIENT_HISTORY, CLIENT_ACK],
                };
                return Permissions {
                    publish: owned(&[CLIENT_ANSWERS]),
                    subscribe: owned(asked),
                    answers: 0,
                };
            }
            Role::Registry => {
                subscribe.extend(owned(&[
                    REGISTRY_REGISTER,
                    REGISTRY_LOOKUP,
                    REGISTRY_BY_PRIMARY,
                    REGISTRY_REBIND,
                    REGISTRY_RELEASE,
                    REGISTRY_ORDER,
                    REGISTRY_LIMITS,
                    REGISTRY_SET_LIMITS,
                    REGISTRY_CHANGED,
                    "$SRV.>",
                ]));
                publish.extend(owned(&[REGISTRY_LOG, REGISTRY_LIMITS]));
                publish.push(direct_get(REGISTRY_STREAM));
                publish.extend(
                    ["INFO", "CREATE"].map(|verb| format!("$JS.API.STREAM.{verb}.{REGISTRY_STREAM}")),
                );
            }
            Role::Fanout => {
                subscribe.extend(owned(&[
                    FANOUT_DESCRIBE,
                    FANOUT_SEND,
                    FANOUT_OPEN,
                    FANOUT_HISTORY,
                    FANOUT_HEADS,
                    FANOUT_ACK,
                    REGISTRY_CHANGED,
                    "$SRV.>",
                ]));
                publish.extend(owned(&[
                    REGISTRY_LOOKUP,
                    REGISTRY_BY_PRIMARY,
                    REGISTRY_LIMITS,
                    AUTH_JWKS,
                    STORE_WILDCARD,
                    COUNTS,
                ]));
                publish.push(format!("$JS.API.STREAM.INFO.{REGISTRY_STREAM}"));
                publish.extend(Span::ALL.map(|span| format!("$JS.API.STREAM.CREATE.{}", span.stream())));
                for p in 0..partitions {
                    let stream = inbox_stream(p);
                    publish.push(direct_get(&stream));
                    publish.extend(
                        ["INFO", "CREATE", "UPDATE", "PURGE", "MSG.GET"]
                            .map(|verb| format!("$JS.API.STREAM.{verb}.{stream}")),
                    );
                }
            }
            Role::Sigchain => {
                subscribe.extend(owned(&[SIGCHAIN_APPEND, SIGCHAIN_GET, SIGCHAIN_HEAD, "$SRV.>"]));
                publish.extend(owned(&[REGISTRY_BY_PRIMARY, REGISTRY_REBIND, SIGCHAIN_LOGS]));
                publish.push(direct_get(SIGCHAIN_STREAM));
                publish.extend(
                    ["INFO", "CREATE", "MSG.GET"]
                        .map(|verb| format!("$JS.API.STREAM.{verb}.{SIGCHAIN_STREAM}")),
                );
            }
            Role::Gateway => {
                subscribe.push(format!("{INBOX}*"));
                subscribe.extend(owned(&[REGISTRY_CHANGED, "$SRV.>"]));
                publish.extend(owned(&[
                    REGISTRY_REGISTER,
                    REGISTRY_LOOKUP,
                    REGISTRY_BY_PRIMARY,
                    REGISTRY_RELEASE,
                    REGISTRY_LIMITS,
                    SIGCHAIN_APPEND,
                    SIGCHAIN_GET,
                    SIGCHAIN_HEAD,
                    FANOUT_DESCRIBE,
                    FANOUT_SEND,
                    FANOUT_OPEN,
                    FANOUT_HISTORY,
                    FANOUT_HEADS,
                    FANOUT_ACK,
                    AUTH_SESSION,
                    AUTH_RENEW,
                    AUTH_JWKS,
                    AUTH_DESCRIBE,
                    COUNTS,
                ]));
            }
            Role::AuthCallout => {
                subscribe.extend(owned(&[
                    AUTH_SESSION,
                    AUTH_RENEW,
                    AUTH_JWKS,
                    AUTH_DESCRIBE,
                    REGISTRY_CHANGED,
                    "$SRV.>",
                ]));
                publish.extend(owned(&[REGISTRY_LOOKUP, REGISTRY_BY_PRIMARY]));
            }
            // What is stored can be copied, and put back in the place of what is there; nothing can be written into it.
            Role::Operator => {
                publish.extend(owned(&[
                    SNAPSHOT_TAKEN,
                    SNAPSHOT_GIVEN,
                    REGISTRY_ORDER,
                    REGISTRY_LIMITS,
                    REGISTRY_SET_LIMITS,
                    "$SRV.PING",
                    "$SRV.STATS",
                ]));
                publish.extend(
                    ["INFO", "SNAPSHOT", "RESTORE", "DELETE", "PURGE"]
                        .map(|verb| format!("$JS.API.STREAM.{verb}.*")),
                );
                publish.push(format!("$JS.API.STREAM.UPDATE.{REGISTRY_STREAM}"));
            }
        }
        // Answers go to the reply subject of a request only, never by a wide publish grant.
        Permissions { publish, subscribe, answers: u32::from(self != Role::Operator) }
    }
}
