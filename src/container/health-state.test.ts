import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Store } from '../store/index.ts';
import {
  afterProbe,
  boundOutput,
  type HealthState,
  nextProbe,
  startingHealth,
  unprobedHealth,
} from './health-state.ts';
import { HealthStore } from './health-store.ts';

const START = '2026-01-01T00:00:00Z';
const check = {
  argv: ['true'],
  interval: 30_000,
  timeout: 1000,
  retries: 2,
  startPeriod: 5000,
  startInterval: 100,
};

/** The state after probes that began so many seconds after the start, with these exit codes. */
function after(...probes: [second: number, exitCode: number][]): HealthState {
  return probes.reduce((state, [second, ExitCode]) => {
    const at = new Date(Date.parse(START) + second * 1000).toISOString();
    return afterProbe(state, { Start: at, End: at, ExitCode, Output: `${second}` }, check, START);
  }, startingHealth(undefined));
}
const brief = ({ status, failingStreak }: HealthState) => `${status} ${failingStreak}`;

test('failures in a row make it unhealthy, one success healthy', () => {
  assert.equal(brief(after([6, 1])), 'starting 1');
  assert.equal(brief(after([6, 1], [7, -1])), 'unhealthy 2');
  assert.equal(brief(after([6, 1], [7, 1], [8, 0])), 'healthy 0');
  assert.equal(brief(after([6, 0], [7, 1])), 'healthy 1');
  assert.equal(brief(after([6, 1], [7, 0], [8, 1])), 'healthy 1');
});

test('in the start period failures do not count until it was healthy', () => {
  assert.equal(brief(after([1, 1], [2, 1], [3, 1])), 'starting 0');
  assert.equal(brief(after([1, 0], [2, 1], [3, 1])), 'unhealthy 2');
  assert.equal(nextProbe(startingHealth(undefined), check, 4999), 100);
  assert.equal(nextProbe(startingHealth(undefined), check, 5000), 30_000);
  assert.equal(nextProbe(after([1, 0]), check, 1000), 30_000);
});

test('the last five probes are kept, a restart’s before included', () => {
  const state = after([1, 0], [2, 0], [3, 0], [4, 0], [5, 0], [6, 7]);
  assert.deepEqual(
    state.log.map(({ Output }) => Output),
    ['2', '3', '4', '5', '6'],
  );
  assert.equal(startingHealth(state).log, state.log);
  assert.equal(brief(startingHealth(state)), 'starting 0');
  assert.equal(brief(unprobedHealth(after([1, 0]))), 'unhealthy 0');
});

test('output is cut where Docker cuts it', () => {
  assert.equal(boundOutput(Buffer.alloc(4096, 'a')), 'a'.repeat(4096));
  assert.equal(boundOutput(Buffer.alloc(4097, 'a')), `${'a'.repeat(4096)}...`);
});

test('changes are written at once, the same again later, all at the end', () => {
  const store = Store.open(':memory:');
  const health = new HealthStore(store);
  const [one, two, three] = [after([6, 0]), after([6, 0], [7, 0]), after([6, 0], [7, 1])];
  health.save('c', one, undefined);
  assert.deepEqual(health.load().get('c'), one);
  health.save('c', two, one);
  assert.deepEqual(health.load().get('c'), one);
  health.flush();
  assert.deepEqual(health.load().get('c'), two);
  health.save('c', three, two);
  assert.deepEqual(health.load().get('c'), three);
  health.delete('c');
  assert.equal(health.load().size, 0);
  store.close();
});
