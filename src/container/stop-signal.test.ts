import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stopSignal } from './stop-signal.ts';

test('the signal asked for stops, unless there is none of that name', () => {
  assert.equal(stopSignal({ StopSignal: 'SIGQUIT' }), 'SIGQUIT');
  assert.equal(stopSignal({ StopSignal: '3' }), '3');
  assert.equal(stopSignal({ StopSignal: 'SIGNOPE' }), 'TERM');
  assert.equal(stopSignal({}), 'TERM');
});
