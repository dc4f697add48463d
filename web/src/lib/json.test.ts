import { expect, test } from 'vitest';
import { utf8 } from './bytes.ts';
import { parseStrict } from './json.ts';

const code = (text: string | Uint8Array) => {
  try {
    parseStrict(typeof text === 'string' ? utf8(text) : text);
    return 'taken';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

test('what has no single canonical form is refused, as the services do', () => {
  for (const [text, want] of [
    ['{"a":1,"a":1}', 'duplicate_key'],
    ['{"x":[{"b":1,"\\u0062":2}]}', 'duplicate_key'],
    ['{"__proto__":1,"__proto__":2}', 'duplicate_key'],
    ['9007199254740992', 'number_out_of_range'],
    ['-9007199254740992', 'number_out_of_range'],
    ['{"n":18446744073709551616}', 'number_out_of_range'],
    ['1e21', 'number_out_of_range'],
    ['1e400', 'number_out_of_range'],
    ['{', 'malformed_json'],
    ['{} {}', 'malformed_json'],
    ['"\\ud800"', 'malformed_json'],
    ['{"\\udc00":1}', 'malformed_json'],
    ['\ufeff{}', 'malformed_json'],
    ['', 'malformed_json'],
    ['['.repeat(128) + ']'.repeat(128), 'malformed_json'],
    ['['.repeat(127) + ']'.repeat(127), 'taken'],
    ['[9007199254740991,-9007199254740991,0.1,-0,1E2]', 'taken'],
    ['{"a":{"a":[{"a":1},{"a":1}]},"b":"a\\":{\\"a"}', 'taken'],
    ['"\\ud83d\\ude00 \\\\ud800 1e400"', 'taken'],
  ] as const) {
    expect(code(text), text).toBe(want);
  }
  expect(code(Uint8Array.of(0x5b, 0xff, 0x5d))).toBe('malformed_json');
  expect(code(`"${'x\\n'.repeat(200_000)}"`)).toBe('taken');
});
