import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasLabel, matchLabels, parseTimestamp } from './index.ts';

test('a label is asked for by its key, or with its value', () => {
  const labels = { a: '1', 'with=sign': 'x', e: '' };
  assert.equal(hasLabel(labels, 'a'), true);
  assert.equal(hasLabel(labels, 'a=1'), true);
  assert.equal(hasLabel(labels, 'a=2'), false);
  assert.equal(hasLabel(labels, 'a='), false);
  assert.equal(hasLabel(labels, 'e='), true);
  assert.equal(hasLabel(labels, 'toString'), false);
  assert.equal(hasLabel(undefined, 'a'), false);
});

test('all of label must be there, none of label!', () => {
  const labels = { a: '1', b: '2' };
  assert.equal(matchLabels(labels, { label: ['a', 'b=2'] }), true);
  assert.equal(matchLabels(labels, { label: ['a', 'c'] }), false);
  assert.equal(matchLabels(labels, { label: ['a'], 'label!': ['b=3'] }), true);
  assert.equal(matchLabels(labels, { 'label!': ['b'] }), false);
  assert.equal(matchLabels(null, {}), true);
});

test('times are durations back from now, seconds, or dates', () => {
  assert.equal(parseTimestamp('1h30m', 10_000_000), 10_000_000 - 5_400_000);
  assert.equal(parseTimestamp('1.5'), 1500);
  assert.equal(parseTimestamp('2026-01-02T03:04:05Z'), Date.UTC(2026, 0, 2, 3, 4, 5));
  assert.throws(() => parseTimestamp('soon'), /failed to parse value as time or duration: "soon"/);
});
