import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createNetns, deleteNetns, Nftables, withNetns } from './index.ts';

const dir = mkdtempSync('/tmp/wharf-nftables-');
const netns = join(dir, 'netns');
let nftables: Nftables;

before(() => {
  createNetns(netns);
  nftables = withNetns(netns, () => Nftables.open());
});
after(() => {
  nftables.close();
  deleteNetns(netns);
  rmSync(dir, { recursive: true });
});

test('a script is one transaction, in the namespace where the context was opened', () => {
  nftables.run('table ip t { map m { type inet_service : ipv4_addr; }; }');
  assert.throws(() => nftables.run('add element ip t m { 80 : 10.0.0.1 }\nadd element ip t absent { 1 }'), {
    name: 'NftablesError',
    code: 'ENOENT',
    kind: 'NotFound',
  });
  assert.deepEqual(nftables.list('list map ip t m').at(-1)?.map?.elem, undefined);
  nftables.run('add element ip t m { 80 : 10.0.0.1, 81 : 10.0.0.2 }');
  assert.deepEqual(nftables.list('list map ip t m').at(-1)?.map?.elem, [
    [80, '10.0.0.1'],
    [81, '10.0.0.2'],
  ]);
  assert.match(nftables.run('list ruleset'), /map m/);
  const outside = Nftables.open();
  assert.ok(!outside.list('list tables').some(({ table }) => table?.name === 't' && table.family === 'ip'));
  outside.close();
});

test('contexts come and go in a process with thousands of open files', () => {
  Nftables.reserveDescriptors();
  const files = Array.from({ length: 1100 }, () => openSync('/dev/null', 'r'));
  try {
    for (let round = 0; round < 3; round++) {
      const context = Nftables.open();
      // Would end the process: libmnl's select(2) takes no descriptor above 1023.
      assert.doesNotThrow(() => context.run('list tables'));
      context.close();
    }
    const kept = [Nftables.open(), Nftables.open()];
    assert.throws(() => Nftables.open(), /no file descriptor below 1024 is free/);
    for (const context of kept) context.close();
  } finally {
    files.forEach(closeSync);
  }
});

test('a script that cannot be read is refused with its place', () => {
  assert.throws(() => nftables.run('add nonsense'), {
    message: /syntax error, unexpected newline.*add nonsense/s,
  });
  nftables.run('add table ip still-works');
});

test('a closed context says so', () => {
  const closed = Nftables.open();
  closed.close();
  assert.throws(() => closed.run('list tables'), { kind: 'Unavailable' });
});
