import { expect, test } from 'vitest';
import { canonical } from './canonical.ts';

test("RFC 8785's own examples", () => {
  const numbers = [333333333.3333333, 4.5, 2e-3, 0.000000000000000000000000001];
  const string = '\u20ac$\u000f\u000aA\'\u0042\u0022\u005c\\"/';
  expect(canonical({ numbers, string, literals: [null, true, false] })).toBe(
    String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
  );
  const sorted = {
    '\u20ac': 'Euro',
    '\r': 'Return',
    '\ufb33': 'Dalet',
    '1': 'One',
    '\u{1f600}': 'Smile',
    '\u0080': 'Ctrl',
    ö: 'O',
  };
  expect(Object.values(JSON.parse(canonical(sorted)))).toEqual([
    'One',
    'Return',
    'Ctrl',
    'O',
    'Euro',
    'Smile',
    'Dalet',
  ]);
  expect(canonical([-0, [], {}, ''])).toBe('[0,[],{},""]');
});

test('what has no canonical form throws', () => {
  const bad = [
    undefined,
    { a: undefined },
    [undefined],
    Number.NaN,
    1 / 0,
    2 ** 53,
    10n,
    () => 1,
    '\ud800',
    { '\udc00': 1 },
    Symbol('x'),
  ];
  for (const value of bad) expect(() => canonical(value)).toThrow(TypeError);
});
