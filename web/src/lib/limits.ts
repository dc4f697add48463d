// Numbers of the protocol, as in `kez_proto::limits`; a test compares them.

/** Bytes of a signed claim, at most. */
export const CLAIM_BYTES = 16 * 1024;
/** Bytes of one signed event of an identity log, at most. */
export const EVENT_BYTES = 16 * 1024;
/** Events in one identity log, at most. */
export const CHAIN_EVENTS = 10_000;
/** Bytes of an identity log in one file, at most. */
export const CHAIN_EXPORT_BYTES = 16 * 1024 * 1024;
/** Bytes of a claim's subject, at most. */
export const SUBJECT_BYTES = 255;
/** Bytes of the URL where a claim's other half is, at most. */
export const PROOF_URL_BYTES = 2048;
/** Bytes of a device's identifier and of its name, at most. */
export const DEVICE_BYTES = 128;
