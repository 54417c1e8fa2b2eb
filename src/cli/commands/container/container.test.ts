import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type TarInput, tarStream } from '../../../oci/index.ts';
import { localStat, packTree } from './cp-pack.ts';
import { archiveName, place, renameRoot, splitCopyArg } from './cp-paths.ts';
import { unpack } from './cp-unpack.ts';
import { displayPorts } from './display-ports.ts';
import { statsRow } from './stats-row.ts';

test('the PORTS column', () => {
  const tcp = (PrivatePort: number, PublicPort?: number, IP?: string) => ({
    PrivatePort,
    Type: 'tcp' as const,
    ...(PublicPort && { PublicPort }),
    ...(IP && { IP }),
  });
  assert.equal(
    displayPorts([tcp(81), tcp(80), { PrivatePort: 80, Type: 'udp' }, tcp(90)]),
    '80-81/tcp, 90/tcp, 80/udp',
  );
  assert.equal(
    displayPorts([tcp(80, 8080, '0.0.0.0'), tcp(80, 8080, '::')]),
    '0.0.0.0:8080->80/tcp, [::]:8080->80/tcp',
  );
  assert.equal(
    displayPorts([tcp(80, 80, '0.0.0.0'), tcp(81, 81, '0.0.0.0'), tcp(82, 82, '0.0.0.0')]),
    '0.0.0.0:80-82->80-82/tcp',
  );
  assert.equal(displayPorts([]), '');
});

test('the numbers of stats', () => {
  const row = statsRow('c', {
    name: '/c',
    cpu_stats: { cpu_usage: { total_usage: 300 }, system_cpu_usage: 2000, online_cpus: 4 },
    precpu_stats: { cpu_usage: { total_usage: 100 }, system_cpu_usage: 1000 },
    memory_stats: { usage: 1000, limit: 4000, stats: { inactive_file: 200 } },
    networks: { eth0: { rx_bytes: 1, tx_bytes: 2 }, eth1: { rx_bytes: 10, tx_bytes: 20 } },
    blkio_stats: {
      io_service_bytes_recursive: [
        { op: 'Read', value: 5 },
        { op: 'write', value: 7 },
      ],
    },
    pids_stats: { current: 3 },
  });
  assert.equal(row.cpuPercent, 80);
  assert.equal(row.memory, 800);
  assert.equal(row.memoryPercent, 20);
  assert.deepEqual(
    [row.networkIn, row.networkOut, row.blockRead, row.blockWrite, row.pids],
    [11, 22, 5, 7, 3],
  );
});

test('where cp puts things', () => {
  const directory = { exists: true, directory: true };
  const file = { exists: true, directory: false };
  const nothing = { exists: false, directory: false };
  assert.deepEqual(place(true, '/d', directory), { directory: '/d', name: undefined });
  assert.deepEqual(place(false, '/d/f', file), { directory: '/d', name: 'f' });
  assert.deepEqual(place(true, '/d/new/', nothing), { directory: '/d', name: 'new' });
  assert.deepEqual(place(false, '/d/new', nothing), { directory: '/d', name: 'new' });
  assert.throws(() => place(true, '/d/f', file), { message: 'cannot copy directory' });
  assert.throws(() => place(false, '/d/new/', nothing), { message: 'no such directory' });
  assert.equal(archiveName('/a/b/'), 'b');
  assert.equal(archiveName('/a/b/.'), '.');
  assert.equal(renameRoot('b/c/d', 'x'), 'x/c/d');
  assert.equal(renameRoot('./c', 'x'), 'x/c');
  assert.equal(renameRoot('b', 'x'), 'x');
  assert.equal(renameRoot('b/c', undefined), 'b/c');
  assert.deepEqual(splitCopyArg('c:/p:q'), { container: 'c', path: '/p:q' });
  assert.deepEqual(splitCopyArg('./c:x'), { container: undefined, path: './c:x' });
});

const base = mkdtempSync(join(tmpdir(), 'wharf-cp-'));
after(() => rmSync(base, { recursive: true }));

const unpackInto = (directory: string, inputs: Iterable<TarInput>, name?: string) =>
  unpack(tarStream(inputs), { placement: { directory, name }, owners: false });

test('a tree survives packing and unpacking', async () => {
  const source = join(base, 'source');
  mkdirSync(join(source, 'sub'), { recursive: true });
  writeFileSync(join(source, 'sub/f'), 'text', { mode: 0o640 });
  symlinkSync('sub/f', join(source, 'link'));
  const target = join(base, 'target');
  mkdirSync(target);
  await unpackInto(target, packTree(source, 'source', localStat(source, false)), 'renamed');
  assert.equal(readFileSync(join(target, 'renamed/link'), 'utf8'), 'text');
  assert.equal(lstatSync(join(target, 'renamed/sub/f')).mode & 0o777, 0o640);
  assert.ok(lstatSync(join(target, 'renamed/link')).isSymbolicLink());
});

test('a hostile container cannot write outside the destination', async () => {
  const outside = join(base, 'outside');
  const target = join(base, 'victim');
  mkdirSync(outside);
  mkdirSync(target);
  const file = (name: string): TarInput => ({
    entry: { type: 'file', name, size: 1 },
    body: Buffer.from('x'),
  });
  const link = (name: string, linkName: string): TarInput => ({ entry: { type: 'symlink', name, linkName } });
  await assert.rejects(unpackInto(target, [file('a/../../outside/x')]), /leads out of it/);
  await assert.rejects(unpackInto(target, [link('l', outside), file('l/x')]), /not a directory/);
  writeFileSync(join(outside, 'kept'), 'kept');
  await unpackInto(target, [link('f', join(outside, 'kept')), file('f')]);
  assert.equal(readFileSync(join(outside, 'kept'), 'utf8'), 'kept');
  const hard: TarInput = { entry: { type: 'link', name: 'h', linkName: '../outside/kept' } };
  await assert.rejects(unpackInto(target, [hard]), /leads out of it/);
  await assert.rejects(
    unpackInto(target, [
      link('s', join(outside, 'kept')),
      { entry: { type: 'link', name: 'h', linkName: 's' } },
    ]),
    /no file/,
  );
  await unpackInto(target, [file('/absolute')]);
  assert.ok(
    existsSync(join(target, 'absolute')) && !existsSync('/absolute') && !existsSync(join(outside, 'x')),
  );
});
