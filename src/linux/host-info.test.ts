import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { capabilityBoundingSet, kernelVersion, machine, memTotal, osRelease, swapTotal } from './index.ts';

test('facts agree with what the system’s own tools say', () => {
  const run = (program: string, ...args: string[]): string =>
    execFileSync(program, args, { encoding: 'utf8' }).trim();
  assert.equal(kernelVersion(), run('uname', '-r'));
  assert.equal(machine(), run('uname', '-m'));
  assert.equal(osRelease().ID, run('sh', '-c', '. /etc/os-release; echo "$ID"'));
  assert.equal(osRelease().PRETTY_NAME, run('sh', '-c', '. /etc/os-release; echo "$PRETTY_NAME"'));
  const [, memory, swap] = /MemTotal:\s+(\d+).*SwapTotal:\s+(\d+)/s.exec(run('cat', '/proc/meminfo')) ?? [];
  assert.equal(memTotal(), Number(memory) * 1024);
  assert.equal(swapTotal(), Number(swap) * 1024);
  const bounding = BigInt(`0x${/CapBnd:\s+(\w+)/.exec(run('cat', '/proc/self/status'))?.[1]}`);
  assert.equal(capabilityBoundingSet() & ~bounding, 0n);
});
