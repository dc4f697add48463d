// What is here twice, since a browser reads no Rust, is the same as there.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { subjects } from '../src/lib/nats/subjects.ts';
import { generate } from './generate.js';

const text = (path) => readFileSync(new URL(path, import.meta.url), 'utf8');

test('what is generated is up to date: run `npm run gen`', async () => {
  for (const [path, fresh] of Object.entries(await generate()))
    expect(text(`../src/lib/${path}`)).toBe(fresh);
});

test('subjects are those of the contract', () => {
  const documented = text('../../nats/SUBJECTS.md');
  for (const subject of Object.values(subjects('alice'))) {
    expect(documented).toContain(`\`${subject.replace('alice', '<handle>')}\``);
  }
});
