/** There is no envelope in a text, and no chain. */
export class Undecodable extends Error {
  override readonly name = 'Undecodable';

  constructor(
    /** Nothing here says that it is one; something says so and can't be read; it is larger than it may be, or would be once inflated. */
    readonly code: 'absent' | 'corrupt' | 'too_large',
    options?: ErrorOptions,
  ) {
    super(code, options);
  }
}

/** `other` instead of an `Undecodable` that is absent; everything else is thrown again. */
export function ifAbsent<T>(error: unknown, other: () => T): T {
  if (error instanceof Undecodable && error.code === 'absent') return other();
  throw error;
}
