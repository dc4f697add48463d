// The canonical form of JSON that signatures are made over (RFC 8785).

/**
 * The canonical text. JavaScript prints numbers and strings as the RFC asks, and sorts by UTF-16 units. What has no canonical form throws: a missing member
 * would be dropped without a word, and what is signed would say less than was meant.
 */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([name, member]) => `${canonical(name)}:${canonical(member)}`).join(',')}}`;
  }
  if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new TypeError('integers beyond ±(2^53 − 1) have two values for one text');
  }
  const finite = typeof value !== 'number' || Number.isFinite(value);
  const whole = typeof value !== 'string' || value.isWellFormed();
  if (finite && whole && (value === null || ['boolean', 'number', 'string'].includes(typeof value))) {
    return JSON.stringify(value);
  }
  throw new TypeError(`${typeof value} ${String(value)} isn't JSON`);
}
