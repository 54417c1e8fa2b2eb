import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mountTable, type ResolvedMount } from './mount-table.ts';
import { containerPaths } from './paths.ts';
import type { ContainerRecord } from './types.ts';

const record = { hostConfig: { IpcMode: 'private' } } as unknown as ContainerRecord;
const paths = containerPaths('/data', '/exec', 'id');
const bind = (rest: Partial<ResolvedMount>): ResolvedMount => ({
  type: 'bind',
  source: '/src',
  destination: '/dst',
  readOnly: true,
  mode: '',
  isDirectory: true,
  ...rest,
});
const optionsOf = (mount: ResolvedMount): string[] =>
  mountTable(record, paths, [mount]).find((m) => m.destination === mount.destination)!.options;

test('a read-only directory is so with all below it, a read-only file is not asked to be', () => {
  assert.deepEqual(optionsOf(bind({})), ['rbind', 'rprivate', 'ro', 'rro']);
  assert.deepEqual(optionsOf(bind({ isDirectory: false })), ['rbind', 'rprivate', 'ro']);
  assert.deepEqual(optionsOf(bind({ readOnlyTop: true })), ['rbind', 'rprivate', 'ro']);
  assert.deepEqual(optionsOf(bind({ nonRecursive: true })), ['bind', 'rprivate', 'ro']);
});

test('parents are mounted before what is in them, and a file of the user’s replaces the engine’s', () => {
  const table = mountTable(record, paths, [
    bind({ destination: '/a/b/c' }),
    bind({ destination: '/a' }),
    bind({ destination: '/etc/hosts', source: '/mine' }),
  ]);
  const order = table.map((m) => m.destination);
  assert.ok(order.indexOf('/a') < order.indexOf('/a/b/c'));
  assert.deepEqual(
    table.filter((m) => m.destination === '/etc/hosts').map((m) => m.source),
    ['/mine'],
  );
});

test('a shared /dev/shm is a bind, unless the user has something there', () => {
  const at = (mounts: ResolvedMount[]) =>
    mountTable(record, paths, mounts, '/exec/x/shm').filter((m) => m.destination === '/dev/shm');
  assert.deepEqual(
    at([]).map((m) => [m.type, m.source]),
    [['bind', '/exec/x/shm']],
  );
  assert.deepEqual(
    at([bind({ destination: '/dev/shm' })]).map((m) => m.source),
    ['/src'],
  );
});
