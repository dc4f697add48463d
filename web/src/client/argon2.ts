// Argon2id, as WebAssembly. Loaded when a passphrase is typed.

import { argon2id } from 'hash-wasm';

/** What a guess costs: RFC 9106's second choice, 64 MiB and three passes, in one lane. */
export const PARAMETERS = { memoryKiB: 64 * 1024, passes: 3, lanes: 1 } as const;

export interface Parameters {
  readonly memoryKiB: number;
  readonly passes: number;
  readonly lanes: number;
}

/** 32 bytes of a passphrase. */
export function stretch(passphrase: string, salt: Uint8Array, cost: Parameters): Promise<Uint8Array> {
  return argon2id({
    // However the keyboard composed it.
    password: passphrase.normalize('NFC'),
    salt,
    memorySize: cost.memoryKiB,
    iterations: cost.passes,
    parallelism: cost.lanes,
    hashLength: 32,
    outputType: 'binary',
  });
}
