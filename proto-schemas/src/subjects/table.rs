//! Every subject as a document.

use super::*;

/// A line of `nats/SUBJECTS.md`.
#[derive(Clone, Copy, Debug)]
pub struct SubjectDoc {
    /// The subject, with `<names>` for tokens that vary.
    pub subject: &'static str,
    /// Who publishes or asks.
    pub from: &'static str,
    /// Who subscribes or answers.
    pub to: &'static str,
    /// What it carries.
    pub carries: &'static str,
}

/// Every subject in use, in the order of a reader's interest.
pub const TABLE: &[SubjectDoc] = &[
    SubjectDoc {
        subject: REGISTRY_REGISTER,
        from: "gateway",
        to: "registry (queue)",
        carries: "registration envelope → `Record`",
    },
    SubjectDoc {
        subject: REGISTRY_LOOKUP,
        from: "gateway, fanout, auth-callout",
        to: "registry (queue)",
        carries: "`Lookup` → `Record`",
    },
    SubjectDoc {
        subject: REGISTRY_BY_PRIMARY,
        from: "gateway, fanout, sigchain, auth-callout",
        to: "registry (queue)",
        carries: "`ByPrimary` → `Record`",
    },
    SubjectDoc {
        subject: REGISTRY_LOG,
        from: "registry",
        to: "stream `KEZ_REGISTRY`",
        carries: "`Entry`, acknowledged when on disk",
    },
    SubjectDoc {
        subject: REGISTRY_CHANGED,
        from: "stream `KEZ_REGISTRY`",
        to: "fanout, registry, gateway, auth-callout",
        carries: "each `Entry`, after commit",
    },
    SubjectDoc {
        subject: REGISTRY_REBIND,
        from: "sigchain",
        to: "registry (queue)",
        carries: "`Rebind` → `Record`",
    },
    SubjectDoc {
        subject: REGISTRY_RELEASE,
        from: "gateway",
        to: "registry (queue)",
        carries: "release envelope → `Released`",
    },
    SubjectDoc {
        subject: REGISTRY_ORDER,
        from: "operator",
        to: "registry (queue)",
        carries: "an operator's order → `Ordered`",
    },
    SubjectDoc {
        subject: REGISTRY_LIMITS,
        from: "gateway, fanout, registry, operator",
        to: "registry (queue)",
        carries: "nothing → `InForce`",
    },
    SubjectDoc {
        subject: REGISTRY_SET_LIMITS,
        from: "operator",
        to: "registry (queue)",
        carries: "an operator's order about limits → `InForce`",
    },
    SubjectDoc {
        subject: SIGCHAIN_APPEND,
        from: "gateway",
        to: "sigchain (queue)",
        carries: "`Append` → `Appended`",
    },
    SubjectDoc {
        subject: SIGCHAIN_GET, from: "gateway", to: "sigchain (queue)", carries: "`Get` → `Page`"
    },
    SubjectDoc {
        subject: SIGCHAIN_HEAD,
        from: "gateway",
        to: "sigchain (queue)",
        carries: "`Named` → `ChainHead`",
    },
    SubjectDoc {
        subject: "kez.sigchain.log.<system>.<identifier>",
        from: "sigchain",
        to: "stream `KEZ_SIGCHAIN`",
        carries: "an event's canonical bytes, or the key of the chain that this key belongs to; acknowledged when on disk",
    },
    SubjectDoc {
        subject: FANOUT_DESCRIBE,
        from: "gateway",
        to: "fanout (queue)",
        carries: "nothing → `Description`",
    },
    SubjectDoc { subject: FANOUT_SEND, from: "gateway", to: "fanout (queue)", carries: "`Send` → `Sent`" },
    SubjectDoc {
        subject: FANOUT_OPEN, from: "gateway", to: "fanout (queue)", carries: "`Open` → `Opened`"
    },
    SubjectDoc {
        subject: FANOUT_HISTORY,
        from: "gateway",
        to: "fanout (queue)",
        carries: "`History` → `Page`",
    },
    SubjectDoc {
        subject: FANOUT_HEADS,
        from: "gateway",
        to: "fanout (queue)",
        carries: "`Heads` → `HeadsAnswer`",
    },
    SubjectDoc { subject: FANOUT_ACK, from: "gateway", to: "fanout (queue)", carries: "`Ack` → `Purged`" },
    SubjectDoc {
        subject: AUTH_SESSION,
        from: "gateway",
        to: "auth-callout (queue)",
        carries: "session envelope → `Session`",
    },
    SubjectDoc {
        subject: AUTH_RENEW,
        from: "gateway",
        to: "auth-callout (queue)",
        carries: "`Renew` → `Session`",
    },
    SubjectDoc {
        subject: AUTH_JWKS,
        from: "gateway, fanout",
        to: "auth-callout (queue)",
        carries: "nothing → `Jwks`",
    },
    SubjectDoc {
        subject: AUTH_DESCRIBE,
        from: "gateway",
        to: "auth-callout (queue)",
        carries: "nothing → `AuthDescription`",
    },
    SubjectDoc {
        subject: "kez.count.<span>.<what>.<window>.<key>",
        from: "gateway, fanout",
        to: "stream `KEZ_COUNT_MINUTE` or `KEZ_COUNT_HOUR`",
        carries: "nothing, and how many more in `Nats-Incr` (ADR-49) → how many there are now; in memory alone",
    },
    SubjectDoc {
        subject: "kez.store.inbox.<p>.<handle>",
        from: "fanout",
        to: "stream `KEZ_INBOX_<p>`",
        carries: "an envelope's own bytes, acknowledged when on disk",
    },
    SubjectDoc {
        subject: "kez.chat.inbox.<handle>",
        from: "stream `KEZ_INBOX_<p>`",
        to: "gateway, the recipient's clients",
        carries: "the same, after commit: the live push",
    },
    SubjectDoc {
        subject: "kez.chat.send.<handle>",
        from: "the handle's clients",
        to: "fanout (queue)",
        carries: "`Send` → `Sent`",
    },
    SubjectDoc {
        subject: "kez.chat.history.<handle>",
        from: "the handle's clients",
        to: "fanout (queue)",
        carries: "`ClientHistory` → `Page`",
    },
    SubjectDoc {
        subject: "kez.chat.ack.<handle>",
        from: "the handle's clients",
        to: "fanout (queue)",
        carries: "`ClientAck` → `Purged`",
    },
    SubjectDoc {
        subject: "kez.chat.lookup.<handle>",
        from: "the handle's clients",
        to: "registry (queue)",
        carries: "`ClientLookup` → `Record`",
    },
    SubjectDoc {
        subject: "kez.inbox.<primary's hex>.>",
        from: "fanout, registry",
        to: "the client that asked",
        carries: "answers",
    },
];
