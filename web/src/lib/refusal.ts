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
  invalid_primary: "a primary is ed25519: and 64 lower-case hex digits of a canonical key that isn't weak",
  bad_signature: "the signature isn't the key's over these bytes",
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

/** The name of the first check that failed; never changes. The same names as in `kez_proto::sealed::Refusal`. */
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
