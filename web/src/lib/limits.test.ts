/// <reference types="vite/client" />

import { expect, test } from 'vitest';
import source from '../../../proto-schemas/src/limits.rs?raw';
import * as limits from './limits.ts';

test('the numbers are those of the services', () => {
  for (const [name, ours] of Object.entries(limits)) {
    const [, product] = new RegExp(`^pub const ${name}: \\w+ = ([\\d_* ]+);$`, 'm').exec(source) ?? [];
    const factors = product?.replaceAll('_', '').split('*').map(Number);
    expect(
      factors?.reduce((a, b) => a * b),
      name,
    ).toBe(ours);
  }
});
