import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policyRestarts, RestartBackoff, restartsUnhealthy } from './restart-backoff.ts';
import type { ContainerRecord } from './types.ts';

const ended = (policy: string, exitCode: number, restartCount = 0, max = 0, by?: string): ContainerRecord =>
  ({
    id: 'a',
    hostConfig: { RestartPolicy: { Name: policy, MaximumRetryCount: max } },
    state: { exitCode, ending: by && { by, at: '' } },
    restartCount,
  }) as unknown as ContainerRecord;

test('on-failure restarts failures, as often as it may', () => {
  assert.equal(policyRestarts(ended('on-failure', 0)), false);
  assert.equal(policyRestarts(ended('on-failure', 1, 99)), true);
  assert.equal(policyRestarts(ended('on-failure', 1, 1, 2)), true);
  assert.equal(policyRestarts(ended('on-failure', 1, 2, 2)), false);
  assert.equal(policyRestarts(ended('always', 0)), true);
  assert.equal(policyRestarts(ended('no', 1)), false);
});

test('the pauses double up to a minute, and start anew after a good run', () => {
  const backoff = new RestartBackoff();
  const delays = Array.from({ length: 12 }, () => backoff.delay(ended('always', 1), 5));
  assert.deepEqual(delays.slice(0, 4), [100, 200, 400, 800]);
  assert.equal(delays.at(-1), 60_000);
  assert.equal(backoff.delay(ended('always', 1), 11_000), 100);
  assert.equal(backoff.delay(ended('no', 1), 5), undefined);
});

test('on-unhealthy restarts what its probes ended, and failures, together as often as it may', () => {
  assert.equal(policyRestarts(ended('on-unhealthy', 0)), false);
  assert.equal(policyRestarts(ended('on-unhealthy', 0, 0, 0, 'stop')), false);
  assert.equal(policyRestarts(ended('on-unhealthy', 0, 1, 2, 'health')), true);
  assert.equal(policyRestarts(ended('on-unhealthy', 0, 2, 2, 'health')), false);
  assert.equal(policyRestarts(ended('on-unhealthy', 1, 1, 2)), true);
  assert.equal(restartsUnhealthy(ended('on-unhealthy', 0, 99)), true);
  assert.equal(restartsUnhealthy(ended('on-unhealthy', 0, 3, 3)), false);
  assert.equal(restartsUnhealthy(ended('always', 0)), false);
});
