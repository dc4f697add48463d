// Why a reader doesn't take what a stranger signed or sealed.

const DETAILS = {
  malformed_json: "it isn't the JSON that belongs here",
  duplicate_key: 'a JSON object names a member twice',
  number_out_of_range: 'a JSON number lies beyond ±(2^53 − 1)',
  wrong_tag: "the envelope's `kez` tag isn't the one that belongs here",
  wrong_type: "the payload's `type` isn't the one that this tag takes",
  wrong_version: "the payload's `version` isn't the number 1",
  unsupported_alg: "the signature's `alg` isn't supported",
  key_mismatch: "`signature.key` isn't the payload's `primary`",
  invalid_primary:
    "a primary is ed25519: and 64 lower-case hex digits of a canonical key that isn't weak, or, except for handles, nostr: and an npub",
  bad_signature: "the signature isn't the key's over these bytes",
  too_large: 'it is larger than the limit',
  invalid_subject:
    'a subject is github:, dns:, nostr:, bluesky:, ap:, did:, ens: or web: and a name there, at most 255 bytes',
  invalid_event: "the event's `seq`, `prev`, `op` or `payload` isn't what its operation takes",
  invalid_proof: "`proof` isn't the new key's signature over the event's payload without it",
  unknown_chain: 'there is no event',
  chain_conflict: 'the chain has another event at this place',
  chain_gap: "the chain ends before this event's `seq`",
  chain_full: 'the chain has 10,000 events, which is all it may have',
  wrong_prev: "`prev` isn't the hash of the chain's last event",
  key_not_in_force: "the event isn't by the key that the chain is under",
  key_in_use: 'the chain was under the new key before',
  nothing_to_revoke: 'the chain has no such subject or device',
  malformed_envelope: "the message isn't in the form of a sealed one",
  unknown_version: "the message has a form that this version doesn't know",
  not_opened: "the message wasn't sealed for this key, or was changed on its way",
  bad_padding: "the message isn't padded as it must be",
  wrong_recipient: 'the message was written to somebody else',
  invalid_timestamp: 'a time must be written YYYY-MM-DDThh:mm:ssZ (UTC, whole seconds)',
  stale_timestamp: "the message's time is too far from when the server got it",
  invalid_id: "the message's id isn't 32 lower-case hex digits",
  already_seen: 'the message was read before',
  beyond_memory: 'the message is too old to know whether it was read before',
} as const;

/** The name of the first check that failed; never changes. The same names as in `kez_proto`'s `Code` and `sealed::Refusal`. */
export type RefusalCode = keyof typeof DETAILS;

/** What was read isn't taken. */
export class Refusal extends Error {
  override readonly name = 'Refusal';

  constructor(
    /** Stable. */
    readonly code: RefusalCode,
    options?: ErrorOptions,
  ) {
    super(`${DETAILS[code]} (${code})`, options);
  }
}
