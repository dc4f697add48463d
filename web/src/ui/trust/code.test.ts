import { expect, test } from 'vitest';
import { codeText, keyOfCode } from './code.ts';

const primary = `ed25519:${'0f'.repeat(32)}`;

test('a code is read back, and nothing else is one', () => {
  const text = codeText({ server: 'chat.example.org', handle: 'alice_1', primary });
  expect(keyOfCode(text)).toBe(primary);
  expect(keyOfCode(` ${text}\n`)).toBe(primary);
  for (const other of [
    '',
    primary,
    `${text}0`,
    text.replace('verify', 'add'),
    text.toUpperCase(),
    `x${text}`,
  ])
    expect(keyOfCode(other), other).toBeUndefined();
});
