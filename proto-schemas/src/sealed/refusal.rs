//! Why a reader doesn't take a sealed message.

use std::fmt;

use crate::Code;

/// The first check that failed. The name of each never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Not `{"v", "enc", "ct"}`, or its texts aren't base64url.
    MalformedEnvelope,
    /// A form of message that this version doesn't know.
    UnknownVersion,
    /// Not sealed for this reader, or changed on its way: the two can't be told apart.
    NotOpened,
    /// What was inside isn't padded as it must be.
    BadPadding,
    /// The statement inside isn't well formed, or its signature doesn't hold: a code of [`crate::envelope::verify`], or `invalid_timestamp`.
    Statement(Code),
    /// Its sender wrote it to somebody else, who sealed it anew for this reader.
    WrongRecipient,
    /// `sent_at` is too far from the time at which the server stored it.
    StaleTimestamp,
    /// `id` isn't 32 lower-case hex digits.
    InvalidId,
    /// This sender's message of this id was read before.
    AlreadySeen,
    /// It is older than the reader's memory reaches, so that nobody can say whether it was read before.
    BeyondMemory,
}

impl Refusal {
    /// The name, for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Refusal::MalformedEnvelope => "malformed_envelope",
            Refusal::UnknownVersion => "unknown_version",
            Refusal::NotOpened => "not_opened",
            Refusal::BadPadding => "bad_padding",
            Refusal::Statement(code) => code.as_str(),
            Refusal::WrongRecipient => "wrong_recipient",
            Refusal::StaleTimestamp => "stale_timestamp",
            Refusal::InvalidId => "invalid_id",
            Refusal::AlreadySeen => "already_seen",
            Refusal::BeyondMemory => "beyond_memory",
        }
    }

    /// One sentence for a person.
    pub fn detail(self) -> &'static str {
        match self {
            Refusal::MalformedEnvelope => "the message isn't in the form of a sealed one",
            Refusal::UnknownVersion => "the message has a form that this version doesn't know",
            Refusal::NotOpened => "the message wasn't sealed for this key, or was changed on its way",
            Refusal::BadPadding => "the message isn't padded as it must be",
            Refusal::Statement(code) => code.detail(),
            Refusal::WrongRecipient => "the message was written to somebody else",
            Refusal::StaleTimestamp => "the message's time is too far from when the server got it",
            Refusal::InvalidId => "the message's id isn't 32 lower-case hex digits",
            Refusal::AlreadySeen => "the message was read before",
            Refusal::BeyondMemory => "the message is too old to know whether it was read before",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail(), self.as_str())
    }
}

impl std::error::Error for Refusal {}
