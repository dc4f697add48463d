import { headers, type Msg } from '@nats-io/nats-core';
import { expect, test } from 'vitest';
import { readPush } from './push.ts';
import { isStoreOf, replyPrefix, subjects } from './subjects.ts';

const GOOD: [string, string][] = [
  ['Nats-Subject', 'kez.store.inbox.3.alice'],
  ['Nats-Sequence', '9'],
  ['Nats-Last-Sequence', '7'],
  ['Kez-Created-At', '2026-05-25T03:00:00Z'],
];

function msg(lines: [string, string][], body = '{"v":2}'): Msg {
  const all = headers();
  for (const [name, value] of lines) all.append(name, value);
  return { headers: all, json: () => JSON.parse(body) } as unknown as Msg;
}

test('a push is read', () => {
  expect(readPush(msg(GOOD), 'alice')).toEqual({
    message: { seq: 9, created_at: '2026-05-25T03:00:00Z', envelope: { v: 2 } },
    previous: 7,
  });
});

test('of a header that stands twice the last counts', () => {
  const forged: [string, string][] = [
    ['Nats-Sequence', '1'],
    ['Nats-Last-Sequence', '0'],
    ['Nats-Subject', 'kez.store.inbox.3.bob'],
  ];
  expect(readPush(msg([...forged, ...GOOD]), 'alice')).toMatchObject({ message: { seq: 9 }, previous: 7 });
  expect(readPush(msg([...GOOD, ...forged]), 'alice')).toBeUndefined();
});

test("what lacks a mark of the inbox's own stream isn't mail", () => {
  for (const [missing] of GOOD) {
    const others = GOOD.filter(([name]) => name !== missing);
    expect(readPush(msg(others), 'alice'), missing).toBeUndefined();
  }
  const bad: [string, string][] = [
    ['Nats-Subject', 'kez.store.inbox.3.bob'],
    ['Nats-Subject', 'kez.chat.inbox.alice'],
    ['Nats-Sequence', ''],
    ['Nats-Sequence', '-1'],
    ['Nats-Sequence', '9.5'],
    ['Nats-Sequence', '0x9'],
    ['Nats-Sequence', '9007199254740993'],
    ['Nats-Last-Sequence', 'seven'],
  ];
  for (const line of bad) expect(readPush(msg([...GOOD, line]), 'alice'), line.join(': ')).toBeUndefined();
  for (const body of ['', 'x', '[]', 'null', '"x"'])
    expect(readPush(msg(GOOD, body), 'alice'), body).toBeUndefined();
  expect(readPush({ json: () => ({}) } as unknown as Msg, 'alice')).toBeUndefined();
});

test('subjects are made of one handle, and of nothing else', () => {
  expect(subjects('alice').send).toBe('kez.chat.send.alice');
  for (const bad of ['', 'al', '*', '>', 'a.b', 'alice.*', 'Alice', 'alice\r\n', '-alice', 'a'.repeat(33)]) {
    expect(() => subjects(bad), bad).toThrow(TypeError);
  }
  expect(replyPrefix(`ed25519:${'ab'.repeat(32)}`)).toBe(`kez.inbox.${'ab'.repeat(32)}`);
  expect(isStoreOf('kez.store.inbox.15.alice', 'alice')).toBe(true);
  for (const bad of [
    'kez.store.inbox.alice',
    'x.kez.store.inbox.1.alice',
    'kez.store.inbox.1.alice.x',
    'kez.store.inbox..alice',
  ]) {
    expect(isStoreOf(bad, 'alice'), bad).toBe(false);
  }
});
