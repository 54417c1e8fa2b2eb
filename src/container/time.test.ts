import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareTimes, formatNs } from './time.ts';

test('times are ordered, with and without the zeros that are left out', () => {
  const second = 1_795_478_432n * 1_000_000_000n;
  const times = [0n, 1n, 45_000_000n, 200_000_000n, 200_000_001n, 245_000_000n, 999_999_999n].map((below) =>
    formatNs(second + below),
  );
  assert.equal(times[0], '2026-11-24T00:00:32Z');
  assert.equal(times[3], '2026-11-24T00:00:32.2Z');
  assert.deepEqual([...times].reverse().sort(compareTimes), times);
  assert.equal(compareTimes('2026-11-24T00:00:32.2Z', '2026-11-24T00:00:32.2Z'), 0);
});
