import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freeze } from './pause.ts';
import type { ContainerRecord } from './types.ts';

test('a container that has just ended cannot be frozen; to thaw it is nothing to do', () => {
  const record = { id: 'f'.repeat(64), hostConfig: {}, state: { pid: 0 } } as unknown as ContainerRecord;
  const deps = {
    cgroupParent: `/wharf-pause-${process.pid}`,
    cgroupDriver: 'cgroupfs',
    runtimes: {},
    defaultRuntime: '',
  } as const;
  assert.throws(() => freeze(deps, record, true), /container f+ is not running/);
  freeze(deps, record, false);
});
