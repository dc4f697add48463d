import { expect, test } from 'vitest';
import { CODES } from '../../lib/codes.ts';
import { KezError } from '../../lib/error.ts';
import { errors } from '../strings.ts';
import { codeOf, sentence, sentenceOf } from './sentence.ts';

/** What only a program can have done wrong: a person can do no more than the general sentence says. */
const PROGRAMS = new Set([
  'duplicate_key',
  'number_out_of_range',
  'wrong_tag',
  'wrong_type',
  'wrong_version',
  'unsupported_alg',
  'invalid_parameter',
  'envelope_not_object',
  'invalid_auth_request',
  'invalid_session_key',
  'invalid_proof',
]);

test('every code of the protocol has a sentence, or is a fault of a program', () => {
  const missing = Object.keys(CODES).filter((code) => !Object.hasOwn(errors, code));
  expect(new Set(missing)).toEqual(PROGRAMS);
});

test('a code without a sentence is named', () => {
  expect(sentenceOf('wrong_tag')).toContain('(wrong_tag)');
  expect(sentenceOf('constructor')).toContain('(constructor)');
});

test('what was thrown is known by its code', () => {
  expect(codeOf(KezError.of('handle_taken', ''))).toBe('handle_taken');
  expect(sentence(KezError.local('disconnected', ''))).toBe(errors.disconnected);
  expect([new TypeError('x'), 'text', undefined].map(codeOf)).toEqual(Array(3).fill('unexpected'));
});
