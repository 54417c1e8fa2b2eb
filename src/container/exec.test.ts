import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Container } from './container.ts';
import type { ContainerStore } from './container-store.ts';
import type { ContainerDeps } from './deps.ts';
import { ExecService } from './exec.ts';
import type { ContainerRecord } from './types.ts';

function fixture() {
  const record = { id: 'c', config: {}, state: { status: 'running' } } as unknown as ContainerRecord;
  const container = new Container(record);
  let there = true;
  const events: string[] = [];
  const store = { get: () => container, has: () => there } as unknown as ContainerStore<Container>;
  const deps = { onEvent: (action: string) => events.push(action) } as unknown as ContainerDeps;
  const execs = new ExecService(deps, store);
  return { container, execs, events, removeContainer: () => (there = false) };
}

test('an exec is forgotten some minutes after its end, not before', () => {
  const { container, execs } = fixture();
  const id = execs.create('c', { Cmd: ['true'] });
  const exec = container.execs.get(id)!;
  exec.state = 'exited';
  exec.exitCode = 3;
  exec.endedAt = 1_000_000;
  execs.forgetEnded(1_000_000 + 4 * 60_000);
  assert.equal(execs.inspect(id).ExitCode, 3);
  execs.forgetEnded(1_000_000 + 6 * 60_000);
  assert.throws(() => execs.inspect(id), /No such exec instance/);
  assert.equal(container.execs.size, 0);
});

test('an exec that runs or may yet be started is kept while its container runs', () => {
  const { container, execs } = fixture();
  const id = execs.create('c', { Cmd: ['true'] });
  execs.forgetEnded(Number.MAX_SAFE_INTEGER);
  assert.equal(execs.inspect(id).Running, false);
  container.record.state.status = 'exited';
  execs.forgetEnded();
  assert.throws(() => execs.inspect(id), /No such exec instance/);
});

test('the execs of a removed container are forgotten', () => {
  const { container, execs, removeContainer } = fixture();
  const id = execs.create('c', { Cmd: ['sleep', '9'] });
  container.execs.get(id)!.state = 'running';
  removeContainer();
  execs.forgetEnded();
  assert.throws(() => execs.inspect(id), /No such exec instance/);
});

test('events name the command as Docker does', () => {
  const { execs, events } = fixture();
  execs.create('c', { Cmd: ['true'] });
  execs.create('c', { Cmd: ['ls', '-l'] });
  assert.deepEqual(events, ['exec_create: true ', 'exec_create: ls -l']);
});
