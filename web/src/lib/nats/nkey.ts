// The text form of NATS keys: base32 of a prefix, the key, and a checksum.

const USER = 20 << 3;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** The public key of a NATS user, `U…`. */
export function userKey(publicKey: Uint8Array): string {
  const body = Uint8Array.of(USER, ...publicKey);
  const check = crc16(body);
  return base32(Uint8Array.of(...body, check & 0xff, check >> 8));
}

/** CRC-16/XMODEM. */
function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  return crc;
}

/** RFC 4648, for a length that needs no padding: 35 bytes are 56 characters. */
function base32(bytes: Uint8Array): string {
  let text = '';
  let value = 0;
  let bits = 0;
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) text += ALPHABET[(value >> (bits - 5)) & 31];
  }
  return text;
}
