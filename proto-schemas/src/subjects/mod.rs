//! Every NATS subject: who uses it, how it is built, and what each role may do. Nothing formats or parses a subject elsewhere;
//! `nats/SUBJECTS.md` is generated from here.

use crate::{Code, Handle, Primary, Problem, identity::Key, partition};

mod counts;
mod roles;
mod table;

pub use counts::{COUNTS, Span};
pub use roles::Role;
pub use table::{SubjectDoc, TABLE};

/// `kez.registry.register`: a registration envelope → [`crate::registry::Record`].
pub const REGISTRY_REGISTER: &str = "kez.registry.register";
/// `kez.registry.lookup`: [`crate::registry::Lookup`] → [`crate::registry::Record`].
pub const REGISTRY_LOOKUP: &str = "kez.registry.lookup";
/// `kez.registry.by-primary`: [`crate::registry::ByPrimary`] → [`crate::registry::Record`].
pub const REGISTRY_BY_PRIMARY: &str = "kez.registry.by-primary";
/// The registry's log: [`crate::registry::Entry`], stored in [`REGISTRY_STREAM`].
pub const REGISTRY_LOG: &str = "kez.registry.log";
/// Every entry of the log, republished by its stream; whoever caches keys listens.
pub const REGISTRY_CHANGED: &str = "kez.registry.changed";
/// `kez.fanout.describe`: nothing → [`crate::server::Description`].
pub const FANOUT_DESCRIBE: &str = "kez.fanout.describe";
/// `kez.fanout.send`: [`crate::mail::Send`] → [`crate::mail::Sent`].
pub const FANOUT_SEND: &str = "kez.fanout.send";
/// `kez.fanout.open`: [`crate::mail::Open`] → [`crate::mail::Opened`].
pub const FANOUT_OPEN: &str = "kez.fanout.open";
/// `kez.fanout.history`: [`crate::mail::History`] → [`crate::mail::Page`].
pub const FANOUT_HISTORY: &str = "kez.fanout.history";
/// `kez.fanout.heads`: [`crate::mail::Heads`] → [`crate::mail::HeadsAnswer`].
pub const FANOUT_HEADS: &str = "kez.fanout.heads";
/// `kez.fanout.ack`: [`crate::mail::Ack`] → [`crate::mail::Purged`].
pub const FANOUT_ACK: &str = "kez.fanout.ack";
/// `kez.registry.rebind`: [`crate::registry::Rebind`] → [`crate::registry::Record`].
pub const REGISTRY_REBIND: &str = "kez.registry.rebind";
/// `kez.registry.release`: a release envelope → [`crate::registry::Released`].
pub const REGISTRY_RELEASE: &str = "kez.registry.release";
/// `kez.registry.order`: an operator's order → [`crate::registry::Ordered`].
pub const REGISTRY_ORDER: &str = "kez.registry.order";
/// `kez.registry.limits`: nothing → [`crate::limits_order::InForce`].
pub const REGISTRY_LIMITS: &str = "kez.registry.limits";
/// `kez.registry.set-limits`: an operator's order about limits → [`crate::limits_order::InForce`].
pub const REGISTRY_SET_LIMITS: &str = "kez.registry.set-limits";

/// `kez.sigchain.append`: [`crate::sigchain::Append`] → [`crate::sigchain::Appended`].
pub const SIGCHAIN_APPEND: &str = "kez.sigchain.append";
/// `kez.sigchain.get`: [`crate::sigchain::Get`] → [`crate::sigchain::Page`].
pub const SIGCHAIN_GET: &str = "kez.sigchain.get";
/// `kez.sigchain.head`: [`crate::sigchain::Named`] → [`crate::sigchain::ChainHead`].
pub const SIGCHAIN_HEAD: &str = "kez.sigchain.head";

/// `kez.auth.session`: a session envelope → [`crate::session::Session`].
pub const AUTH_SESSION: &str = "kez.auth.session";
/// `kez.auth.renew`: [`crate::session::Renew`] → [`crate::session::Session`].
pub const AUTH_RENEW: &str = "kez.auth.renew";
/// `kez.auth.jwks`: nothing → [`crate::session::Jwks`].
pub const AUTH_JWKS: &str = "kez.auth.jwks";
/// `kez.auth.describe`: nothing → [`crate::server::AuthDescription`].
pub const AUTH_DESCRIBE: &str = "kez.auth.describe";

/// A client sends as the handle in the subject: [`crate::mail::Send`] → [`crate::mail::Sent`].
pub const CLIENT_SEND: &str = "kez.chat.send.*";
/// A client reads its own mail: [`crate::mail::ClientHistory`] → [`crate::mail::Page`].
pub const CLIENT_HISTORY: &str = "kez.chat.history.*";
/// A client deletes its own mail: [`crate::mail::ClientAck`] → [`crate::mail::Purged`].
pub const CLIENT_ACK: &str = "kez.chat.ack.*";
/// A client looks a handle or a key up: [`crate::registry::ClientLookup`] → [`crate::registry::Record`].
pub const CLIENT_LOOKUP: &str = "kez.chat.lookup.*";
/// What clients ask: the handle in each subject is whose client asks, as its permissions prove.
pub const CLIENT_REQUESTS: [&str; 4] = [CLIENT_SEND, CLIENT_HISTORY, CLIENT_ACK, CLIENT_LOOKUP];
/// The answers to clients, in whatever reply inbox.
pub const CLIENT_ANSWERS: &str = "kez.inbox.*.>";

/// Where nats-server asks who may come in (ADR-26), in the account `AUTH`.
pub const AUTH_REQUEST: &str = "$SYS.REQ.USER.AUTH";
/// Where the auth callouts tell each other that they live, in the account `AUTH`.
pub const CALLOUT_PULSE: &str = "callout.pulse";
/// A connection of a user began, told in the account `SYS`.
pub const CHAT_CONNECTED: &str = "$SYS.ACCOUNT.CHAT.CONNECT";
/// A connection of a user ended, told in the account `SYS`.
pub const CHAT_DISCONNECTED: &str = "$SYS.ACCOUNT.CHAT.DISCONNECT";
/// A connection of an auth callout ended, told in the account `SYS`.
pub const AUTH_DISCONNECTED: &str = "$SYS.ACCOUNT.AUTH.DISCONNECT";
/// Every nats-server's list of its connections, asked in the account `SYS`.
pub const CONNECTIONS: &str = "$SYS.REQ.SERVER.PING.CONNZ";

/// Ends one connection of a nats-server, asked in the account `SYS`; of any server.
pub const KICK: &str = "$SYS.REQ.SERVER.*.KICK";

/// [`KICK`] of this server.
pub fn kick(server_id: &str) -> String {
    KICK.replacen('*', server_id, 1)
}

/// The registry's stream.
pub const REGISTRY_STREAM: &str = "KEZ_REGISTRY";
/// The identity logs' stream.
pub const SIGCHAIN_STREAM: &str = "KEZ_SIGCHAIN";
/// Where all identity logs are stored.
pub const SIGCHAIN_LOGS: &str = "kez.sigchain.log.*.*";
/// The store subjects of all partitions.
pub const STORE_WILDCARD: &str = "kez.store.inbox.*.*";
/// Where an inbox stream republishes what it stored under [`store_of_partition`]: the recipient's live subject.
pub const INBOX_FROM_STORE: &str = "kez.chat.inbox.{{wildcard(1)}}";

const INBOX: &str = "kez.chat.inbox.";

/// The live push of one inbox: `kez.chat.inbox.<handle>`.
pub fn inbox(handle: &Handle) -> String {
    format!("{INBOX}{handle}")
}

/// Where `handle`'s own client sends.
pub fn client_send(handle: &Handle) -> String {
    CLIENT_SEND.replace('*', handle.as_str())
}

/// Where `handle`'s own client reads its mail.
pub fn client_history(handle: &Handle) -> String {
    CLIENT_HISTORY.replace('*', handle.as_str())
}

/// Where `handle`'s own client deletes its mail.
pub fn client_ack(handle: &Handle) -> String {
    CLIENT_ACK.replace('*', handle.as_str())
}

/// Where `handle`'s own client looks others up.
pub fn client_lookup(handle: &Handle) -> String {
    CLIENT_LOOKUP.replace('*', handle.as_str())
}

/// Prefix of the reply inboxes of a person's clients, so that nobody else can read the answers: `kez.inbox.<64 hex>`.
pub fn client_inbox_prefix(primary: &Primary) -> String {
    format!("kez.inbox.{}", primary.hex())
}

/// Who sent a request on one of [`CLIENT_REQUESTS`], and that it may be answered at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker<'a> {
    /// The handle in the subject, which the client's permissions prove to be its own.
    pub handle: Handle,
    /// Whose reply inbox the answer is to come to, as the client says.
    hex: &'a str,
}

impl<'a> Asker<'a> {
    /// `None` if the reply subject isn't one subject below a person's reply inbox: a client may name any, also with wildcards.
    pub fn of(subject: &str, reply: &'a str) -> Option<Self> {
        let handle = subject.rsplit('.').next()?.parse().ok()?;
        let (hex, rest) = reply.strip_prefix("kez.inbox.")?.split_once('.')?;
        let is_hex = hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let is_token =
            |token: &str| !matches!(token, "" | "*" | ">") && token.bytes().all(|b| b.is_ascii_graphic());
        let is_literal = rest.split('.').all(is_token);
        (is_hex && is_literal).then_some(Self { handle, hex })
    }

    /// Whether the request is taken, where this is who has the handle: `None` if its answer would come to somebody else, or the handle is nobody's any more,
    /// and so there is none. While nobody can tell whose it is, that is said wherever the client listens.
    pub fn admit(&self, owner: Result<Primary, Problem>) -> Option<Result<(), Problem>> {
        match owner {
            Ok(primary) => (self.hex == primary.hex()).then_some(Ok(())),
            Err(problem) if problem.code == Code::UnknownHandle => None,
            Err(problem) => Some(Err(problem)),
        }
    }
}

/// What a person's own client may do in the account `CHAT`, and nothing else.
pub fn client_permissions(handle: &Handle, primary: &Primary) -> Permissions {
    Permissions {
        publish: vec![client_send(handle), client_history(handle), client_ack(handle), client_lookup(handle)],
        subscribe: vec![inbox(handle), format!("{}.>", client_inbox_prefix(primary))],
        answers: 0,
    }
}

/// What the auth callout may do in the account `AUTH`.
pub fn callout_permissions() -> Permissions {
    Permissions {
        publish: vec![CALLOUT_PULSE.to_owned()],
        subscribe: [AUTH_REQUEST, CALLOUT_PULSE].map(String::from).to_vec(),
        // Each request is delivered twice, by the queue and as a copy, and nats-server counts deliveries.
        answers: 2,
    }
}

/// What the auth callout may do in the account `SYS`: see who is connected, and end a connection.
pub fn callout_system_permissions() -> Permissions {
    let inbox = format!("{}.>", Role::AuthCallout.inbox_prefix());
    Permissions {
        publish: [CONNECTIONS, KICK].map(String::from).to_vec(),
        subscribe: [&inbox, CHAT_CONNECTED, CHAT_DISCONNECTED, AUTH_DISCONNECTED].map(String::from).to_vec(),
        answers: 0,
    }
}

/// Where the chain that began with this key is stored, or, for a later key, what leads to it: `kez.sigchain.log.<system>.<identifier>`.
pub fn sigchain_log(key: &Key) -> String {
    format!("kez.sigchain.log.{}.{}", key.system(), key.identifier())
}

/// Where one inbox is stored: `kez.store.inbox.<p>.<handle>`.
pub fn store(handle: &Handle, partitions: u16) -> String {
    format!("kez.store.inbox.{}.{handle}", partition::of(handle, partitions))
}

/// Whether `subject` is where some partition stores this inbox.
pub fn is_store_of(subject: &str, handle: &Handle) -> bool {
    let tail = subject.strip_prefix("kez.store.inbox.").and_then(|s| s.split_once('.'));
    tail.is_some_and(|(_, owner)| owner == handle.as_str())
}

/// All store subjects of one partition.
pub fn store_of_partition(p: u16) -> String {
    format!("kez.store.inbox.{p}.*")
}

/// The stream of one partition: `KEZ_INBOX_<p>`.
pub fn inbox_stream(p: u16) -> String {
    format!("KEZ_INBOX_{p}")
}

/// The batch read of one stream (ADR-31).
pub fn direct_get(stream: &str) -> String {
    format!("$JS.API.DIRECT.GET.{stream}")
}

/// Where whoever takes a stream's snapshot says that a part has arrived.
const SNAPSHOT_TAKEN: &str = "$JS.SNAPSHOT.ACK.>";
/// Where the parts of a snapshot go that becomes a stream.
const SNAPSHOT_GIVEN: &str = "$JS.SNAPSHOT.RESTORE.>";

/// What a NATS user may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// Subjects it may publish to.
    pub publish: Vec<String>,
    /// Subjects it may subscribe to.
    pub subscribe: Vec<String>,
    /// How often it may answer one request, on the request's own reply subject; 0: never.
    pub answers: u32,
}

/// What the users' account takes from the services' account: pushes and answers.
pub const TO_CLIENTS: [&str; 2] = ["kez.chat.inbox.*", CLIENT_ANSWERS];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_role_has_an_empty_list_or_a_wide_grant() {
        let alice = ("alice".parse().unwrap(), crate::primary::EXAMPLE.parse().unwrap());
        let users =
            [client_permissions(&alice.0, &alice.1), callout_permissions(), callout_system_permissions()];
        let named = users.into_iter().map(|p| ("user".to_owned(), p));
        for (role, p) in
            Role::ALL.map(|role| (format!("{role:?}"), role.permissions(16))).into_iter().chain(named)
        {
            assert!(
                !p.publish.is_empty() && !p.subscribe.is_empty(),
                "{role}: an empty list allows everything"
            );
            for subject in p.publish.iter().chain(&p.subscribe) {
                let wide = [
                    ">",
                    "*",
                    "kez.>",
                    "kez.*",
                    "$JS.>",
                    "$JS.API.>",
                    "$SYS.>",
                    "_INBOX.>",
                    "kez.chat.>",
                    "kez.store.>",
                ];
                assert!(!wide.contains(&subject.as_str()), "{role} may use {subject}");
            }
            let unique: std::collections::HashSet<_> = p.publish.iter().collect();
            assert_eq!(unique.len(), p.publish.len());
        }
    }

    #[test]
    fn an_answer_goes_to_one_subject_in_a_persons_reply_inbox() {
        let alice: Primary = crate::primary::EXAMPLE.parse().unwrap();
        let prefix = client_inbox_prefix(&alice);
        for rest in ["x", "x.y", "x*", ">x"] {
            let reply = format!("{prefix}.{rest}");
            let asker = Asker::of("kez.chat.send.alice", &reply).unwrap();
            assert_eq!((asker.handle.as_str(), asker.admit(Ok(alice))), ("alice", Some(Ok(()))), "{reply}");
            let away = asker.admit(Err(Code::Unavailable.into()));
            assert_eq!(away.map(|e| e.unwrap_err().code), Some(Code::Unavailable));
        }
        let other = format!("kez.inbox.{}.x", "ab".repeat(32));
        assert_eq!(Asker::of("kez.chat.send.alice", &other).unwrap().admit(Ok(alice)), None);
        for rest in [
            "", ".", ".*", ".>", ".x.", ".x..y", ".x.>", ".x.*.y", ".x y", ".x\ty", ".x\ry", ".x\u{c}y",
            ".\u{e4}",
        ] {
            let reply = format!("{prefix}{rest}");
            assert_eq!(Asker::of("kez.chat.send.alice", &reply), None, "{reply}");
        }
        for reply in
            [">", "kez.inbox.>", "kez.inbox.*.x", "kez.inbox.ab.x", "kez.chat.inbox.bobby", "_INBOX.x"]
        {
            assert_eq!(Asker::of("kez.chat.send.alice", reply), None, "{reply}");
        }
        assert_eq!(Asker::of("kez.chat.send.*", &format!("{prefix}.x")), None);
    }

    #[test]
    fn only_the_streams_publish_to_inboxes() {
        for role in Role::ALL {
            assert!(role.permissions(16).publish.iter().all(|s| !s.starts_with(INBOX)), "{role:?}");
        }
        assert!(
            Role::Gateway
                .permissions(16)
                .publish
                .iter()
                .all(|s| !s.starts_with("$JS") && !s.starts_with("kez.store"))
        );
    }

    #[test]
    fn shapes() {
        let alice = "alice".parse().unwrap();
        assert_eq!(inbox(&alice), "kez.chat.inbox.alice");
        assert_eq!(store(&alice, 16), format!("kez.store.inbox.{}.alice", partition::of(&alice, 16)));
        assert!(is_store_of(&store(&alice, 16), &alice));
        assert!(
            !is_store_of("kez.chat.inbox.alice", &alice) && !is_store_of("kez.store.inbox.3.alice2", &alice)
        );
    }
}
