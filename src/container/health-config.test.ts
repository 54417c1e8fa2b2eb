import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goDuration, healthCheck, mergeHealth, validateHealth } from './health-config.ts';

const MS = 1_000_000;

test('a request changes what it names of the image’s check, and no more', () => {
  const image = { Test: ['CMD', 'check'], Interval: 7 * MS, Timeout: 8 * MS, Retries: 2 };
  assert.deepEqual(mergeHealth(undefined, image), image);
  assert.deepEqual(mergeHealth({ Timeout: 9 * MS }, image), { ...image, Timeout: 9 * MS });
  assert.deepEqual(mergeHealth({ Test: ['NONE'] }, image), { ...image, Test: ['NONE'] });
  assert.deepEqual(mergeHealth({ Test: [], Retries: 0 }, undefined), { Test: [], Retries: 0 });
  assert.equal(mergeHealth(undefined, undefined), undefined);
});

test('kinds of checks, and their standard values', () => {
  const standard = { interval: 30_000, timeout: 30_000, retries: 3, startPeriod: 0, startInterval: 5000 };
  assert.deepEqual(healthCheck({ Test: ['CMD', 'a', 'b c'] }, undefined), {
    argv: ['a', 'b c'],
    ...standard,
  });
  assert.deepEqual(healthCheck({ Test: ['CMD-SHELL', 'a b'] }, undefined)?.argv, ['/bin/sh', '-c', 'a b']);
  assert.deepEqual(healthCheck({ Test: ['CMD-SHELL', 'a'] }, ['/bin/ash', '-ec'])?.argv, [
    '/bin/ash',
    '-ec',
    'a',
  ]);
  for (const Test of [['NONE'], [], ['CMD'], ['WHAT', 'a'], undefined]) {
    assert.equal(healthCheck(Test ? { Test } : {}, undefined), undefined, String(Test));
  }
  assert.equal(healthCheck({ Test: ['CMD', 'a'], Interval: 1.5 * MS }, null)?.interval, 1.5);
});

test('what is refused, in Docker’s words', () => {
  validateHealth({ Interval: MS, Timeout: 0 });
  for (const name of ['Interval', 'Timeout', 'StartPeriod', 'StartInterval']) {
    const message = `${name} in Healthcheck cannot be less than 1ms`;
    assert.throws(() => validateHealth({ [name]: MS - 1 }), { message });
    assert.throws(() => validateHealth({ [name]: -1 }), { message });
  }
  assert.throws(() => validateHealth({ Retries: -1 }), {
    message: 'Retries in Healthcheck cannot be negative',
  });
});

test('lengths of time as Go writes them', () => {
  const texts = [0.5, 1, 999.5, 1000, 1500, 60_000, 90_000, 3_600_000, 5_400_500].map(goDuration);
  assert.deepEqual(texts, ['500µs', '1ms', '999.5ms', '1s', '1.5s', '1m0s', '1m30s', '1h0m0s', '1h30m0.5s']);
});
