// Numbers of the client layer.

/** Bytes of a file, at most. */
export const FILE_BYTES = 10 * 1024 * 1024;
/** Bytes of a chunk: 168 KiB in base64url, so that with its names and signature it is within a sealed message's 176 KiB of JSON. */
export const CHUNK_BYTES = 126 * 1024;
/** Bytes of a file's name and of its type, at most. */
export const FILE_NAME_BYTES = 255;
