import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signalName, signalNumber } from './index.ts';

test('signals by Docker’s names', () => {
  const cases: [string | number, number][] = [
    ['KILL', 9],
    ['SIGKILL', 9],
    ['sigterm', 15],
    ['9', 9],
    [10, 10],
    ['RTMIN', 34],
    ['RTMIN+3', 37],
    ['SIGRTMAX-1', 63],
    ['RTMAX', 64],
    ['CLD', 17],
    ['POLL', 29],
  ];
  for (const [name, number] of cases) assert.equal(signalNumber(name), number, String(name));
  for (const bad of ['', '0', 'SIG', 'NOPE', '65', '-1', 'RTMIN+40', '9x']) {
    assert.throws(() => signalNumber(bad), { message: `invalid signal: ${bad}`, kind: 'InvalidParameter' });
  }
});

test('the usual name of a number', () => {
  assert.equal(signalName(9), 'SIGKILL');
  assert.equal(signalName(6), 'SIGABRT');
  assert.equal(signalName(29), 'SIGIO');
  assert.equal(signalName(37), 'SIGRTMIN+3');
});
