import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import {
  encodeTarHeader,
  readTar,
  TAR_TRAILER,
  type TarEntry,
  type TarInput,
  TarParser,
  writeTar,
} from './tar.ts';

interface Seen {
  entry: TarEntry;
  data: Buffer;
}

/** Parses `archive` in pieces of `step` bytes, holes filled in. */
function parse(archive: Buffer, step = archive.length): Seen[] {
  const seen: Seen[] = [];
  const parser = new TarParser({
    entry: (entry) => void seen.push({ entry, data: Buffer.alloc(Math.min(entry.size, 1 << 24)) }),
    data: (chunk, offset) => void chunk.copy(seen.at(-1)!.data, offset),
    endEntry: () => {},
  });
  for (let at = 0; at < archive.length; at += step) parser.write(archive.subarray(at, at + step));
  parser.end();
  return seen;
}

async function write(inputs: TarInput[]): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of writeTar(inputs)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A header whose field at `at` is replaced, checksum made right again. */
function patched(at: number, bytes: string | Buffer, type = 'file' as const): Buffer {
  const block = Buffer.from(encodeTarHeader({ type, name: 'x' }));
  Buffer.from(bytes).copy(block, at);
  block.fill(' ', 148, 156);
  const sum = block.reduce((a, b) => a + b, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

let dir: string;
const tar = (...args: string[]): Buffer =>
  execFileSync('tar', ['-C', dir, '-c', '-f', '-', ...args], { maxBuffer: 1 << 28 });
const long = `${'d'.repeat(120)}/${'e'.repeat(120)}/${'f'.repeat(150)}`;

before(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'wharf-tar-'));
  fs.mkdirSync(path.join(dir, path.dirname(long)), { recursive: true });
  fs.writeFileSync(path.join(dir, long), 'long');
  fs.symlinkSync('t'.repeat(300), path.join(dir, 'link'));
  fs.linkSync(path.join(dir, long), path.join(dir, 'zhard'));
  const fd = fs.openSync(path.join(dir, 'sparse'), 'w');
  for (let i = 0; i < 40; i++) fs.writeSync(fd, `data ${i}`, i * 65536 + 8192);
  fs.ftruncateSync(fd, 4 << 20);
  fs.closeSync(fd);
  fs.writeFileSync(Buffer.from(`${dir}/caf\xe9`, 'latin1'), 'not UTF-8');
  fs.utimesSync(Buffer.from(`${dir}/caf\xe9`, 'latin1'), 1, 1234567890.25);
});
after(() => fs.rmSync(dir, { recursive: true }));

describe('TarParser reads what GNU tar writes', () => {
  for (const format of ['gnu', 'oldgnu', 'pax']) {
    for (const step of [1 << 20, 100]) {
      it(`${format}, in chunks of ${step}`, () => {
        const seen = parse(tar(`--format=${format}`, '--sort=name', '.'), step);
        const byName = new Map(seen.map((s) => [s.entry.name.toString('latin1'), s]));
        assert.equal(byName.get(`./${long}`)?.data.toString(), 'long');
        assert.equal(byName.get('./link')?.entry.linkName.toString(), 't'.repeat(300));
        assert.equal(byName.get('./zhard')?.entry.linkName.toString(), `./${long}`);
        assert.equal(byName.get('./zhard')?.entry.type, 'link');
        assert.equal(byName.get('.')?.entry.type, 'directory');
        const odd = byName.get('./caf\xe9')!;
        assert.equal(odd.data.toString(), 'not UTF-8');
        assert.equal(odd.entry.mtime, format === 'pax' ? 1234567890_250_000_000n : 1234567890_000_000_000n);
        assert.equal(odd.entry.mode, 0o644);
      });
    }
  }

  for (const args of [
    ['--format=gnu'],
    ['--format=pax', '--sparse-version=0.0'],
    ['--format=pax', '--sparse-version=0.1'],
    ['--format=pax', '--sparse-version=1.0'],
  ]) {
    it(`a sparse file, ${args.join(' ')}`, () => {
      const archive = tar(...args, '-S', 'sparse');
      assert.ok(archive.length < 1 << 20, 'the archive itself is sparse');
      for (const step of [archive.length, 777]) {
        const seen = parse(archive, step);
        assert.equal(seen.length, 1);
        const { entry, data } = seen[0]!;
        assert.equal(entry.name.toString(), 'sparse');
        assert.equal(entry.size, 4 << 20);
        assert.ok(entry.sparse!.length >= 40);
        assert.deepEqual(data, fs.readFileSync(path.join(dir, 'sparse')));
      }
    });
  }

  it('v7, which knows directories by the slash at the end', () => {
    const seen = parse(tar('--format=v7', '--no-recursion', 'sparse', '.'));
    assert.deepEqual(
      seen.map((s) => s.entry.type),
      ['file', 'directory'],
    );
  });
});

describe('TarParser', () => {
  it('reads base-256 numbers, negative times and sizes beyond 8 GiB', () => {
    const size = Buffer.from('80000000000000050000000f', 'hex');
    const seen: TarEntry[] = [];
    const parser = new TarParser({
      entry: (e) => void seen.push(e),
      data: () => {},
      endEntry: () => {},
    });
    parser.write(patched(124, size));
    assert.equal(seen[0]!.size, 0x50000000f);
    const old = parse(Buffer.concat([patched(136, Buffer.alloc(12, 0xff)), TAR_TRAILER]));
    assert.equal(old[0]!.entry.mtime, -1_000_000_000n);
  });

  it('refuses what is no archive or breaks the format', () => {
    const cases: [string, Buffer, RegExp][] = [
      ['text', Buffer.alloc(1024, 'hello'), /checksum/],
      [
        'checksum',
        Buffer.from(encodeTarHeader({ type: 'file', name: 'x' })).fill('y', 0, 1),
        /checksum mismatch/,
      ],
      ['letters in size', patched(124, '12z'), /size is not a number/],
      ['negative size', patched(124, Buffer.alloc(12, 0xff)), /negative/],
      [
        'size of 2^88',
        patched(124, Buffer.concat([Buffer.from([0x80]), Buffer.alloc(11, 0xff)])),
        /out of range/,
      ],
      ['unknown type', patched(156, 'Z'), /unsupported entry type/],
      ['multi-volume', patched(156, 'M'), /unsupported entry type/],
    ];
    for (const [name, archive, message] of cases) {
      assert.throws(() => parse(archive), { kind: 'InvalidParameter', message }, name);
    }
  });

  it('refuses huge extension headers before it holds them', () => {
    for (const type of ['x', 'g', 'L', 'K']) {
      const block = patched(156, type);
      Buffer.from('00040000000\0').copy(block, 124); // 8 MiB
      block.fill(' ', 148, 156);
      const sum = block.reduce((a, b) => a + b, 0);
      block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
      assert.throws(() => parse(block), {
        kind: 'InvalidParameter',
        message: /extension header of 8388608 bytes/,
      });
    }
  });

  it('tells a truncated archive, wherever it is cut', async () => {
    const whole = await write([
      { entry: { type: 'file', name: 'n'.repeat(200), mtime: 5n }, body: Buffer.alloc(1000, 'x') },
    ]);
    // header and body blocks of the pax header (2), of the file (1 + 2), the trailer
    for (const length of [1, 511, 512, 1024, 1500, 2000, 2535]) {
      assert.throws(() => parse(whole.subarray(0, length)), { kind: 'DataLoss' }, `cut at ${length}`);
    }
    for (const length of [2536, 2559, 2560]) {
      assert.equal(
        parse(whole.subarray(0, length)).length,
        1,
        'Go takes it without trailer and last padding',
      );
    }
  });

  it('refuses bad pax records', () => {
    const pax = (body: string): Buffer => {
      const block = patched(156, 'x');
      block.write(`${body.length.toString(8).padStart(11, '0')}\0`, 124);
      block.fill(' ', 148, 156);
      const sum = block.reduce((a, b) => a + b, 0);
      block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
      return Buffer.concat([block, Buffer.from(body.padEnd(512, '\0'))]);
    };
    const bad = [
      '5 a=b\n',
      '99 path=x\n',
      'path=x\n',
      '9 path=x\0',
      '12 path=x\0y\n',
      '7 =xy \n',
      '999999999999 path=x\n',
      '13 size=-123\n',
      '13 mtime=abc\n',
      '22 GNU.sparse.major=2\n',
      '26 GNU.sparse.map=1,2,3,4\n',
    ];
    for (const body of bad)
      assert.throws(
        () => parse(Buffer.concat([pax(body), patched(0, 'x')])),
        { kind: 'InvalidParameter' },
        body,
      );
  });

  it('takes names that look like members of Object', () => {
    const body = '18 constructor=yy\n';
    const block = patched(156, 'x');
    block.write(`${body.length.toString(8).padStart(11, '0')}\0`, 124);
    block.fill(' ', 148, 156);
    block.write(
      `${block
        .reduce((a, b) => a + b, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
    );
    const seen = parse(Buffer.concat([block, Buffer.from(body.padEnd(512, '\0')), patched(0, 'x')]));
    assert.equal(seen.length, 1);
  });
});

describe('writeTar', () => {
  const inputs = (): TarInput[] => [
    { entry: { type: 'directory', name: 'dir', mode: 0o1777, mtime: 1_500_000_000n } },
    {
      entry: {
        type: 'file',
        name: Buffer.from('caf\xe9', 'latin1'),
        mode: 0o4755,
        uid: 3_000_000,
        gid: 7,
        mtime: -2_000_000_000n,
        xattrs: new Map([['security.capability', Buffer.from([1, 0, 10, 255])]]),
      },
      body: Buffer.from('hello'),
    },
    { entry: { type: 'file', name: `${'a'.repeat(150)}/${'b'.repeat(99)}` }, body: Buffer.alloc(0) },
    {
      entry: { type: 'file', name: 'é'.repeat(300), size: 4 },
      body: Readable.from([Buffer.from('ab'), Buffer.from('cd')]),
    },
    { entry: { type: 'symlink', name: 'link', linkName: 'x'.repeat(101) } },
    { entry: { type: 'link', name: 'hard', linkName: 'dir/x' } },
    { entry: { type: 'char', name: 'null', devMajor: 1, devMinor: 3 } },
    { entry: { type: 'block', name: 'disk', devMajor: 259, devMinor: 70_000_000 } },
    { entry: { type: 'fifo', name: 'pipe' } },
  ];

  it('says everything in a way that the reader understands, the same bytes each time', async () => {
    const archive = await write(inputs());
    assert.deepEqual(archive, await write(inputs()));
    const seen = parse(archive, 1000);
    assert.deepEqual(
      seen.map((s) => s.entry.type),
      ['directory', 'file', 'file', 'file', 'symlink', 'link', 'char', 'block', 'fifo'],
    );
    assert.equal(seen[0]!.entry.mtime, 1_500_000_000n);
    assert.equal(seen[0]!.entry.mode, 0o1777);
    const file = seen[1]!.entry;
    assert.equal(file.name.toString('latin1'), 'caf\xe9');
    assert.deepEqual(
      [file.mode, file.uid, file.gid, file.mtime, file.size],
      [0o4755, 3_000_000, 7, -2_000_000_000n, 5],
    );
    assert.deepEqual(file.xattrs.get('security.capability'), Buffer.from([1, 0, 10, 255]));
    assert.equal(seen[2]!.entry.name.length, 250);
    assert.equal(seen[3]!.entry.name.toString(), 'é'.repeat(300));
    assert.equal(seen[3]!.data.toString(), 'abcd');
    assert.equal(seen[4]!.entry.linkName.toString(), 'x'.repeat(101));
    assert.deepEqual([seen[7]!.entry.devMajor, seen[7]!.entry.devMinor], [259, 70_000_000]);
  });

  it('says it in a way that GNU tar understands', async () => {
    const archive = await write(inputs().filter((i) => i.entry.name !== 'disk'));
    const list = execFileSync('tar', ['-tv', '--full-time', '--numeric-owner', '-f', '-'], {
      input: archive,
      encoding: 'latin1',
      env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
    });
    assert.match(list, /^drwxrwxrwt 0\/0 +0 1970-01-01 00:00:01\.5 dir\/$/m);
    assert.match(list, /^-rwsr-xr-x 3000000\/7 +5 1969-12-31 23:59:58 +caf\\351$/m);
    assert.match(list, new RegExp(`^lrwxrwxrwx .*link -> ${'x'.repeat(101)}$`, 'm'));
    assert.match(list, /^crw-r--r-- 0\/0 +1,3 .* null$/m);
  });

  it('refuses a body that is not as long as announced', async () => {
    for (const text of ['abc', 'abcde']) {
      const input = {
        entry: { type: 'file' as const, name: 'x', size: 4 },
        body: Readable.from([Buffer.from(text)]),
      };
      await assert.rejects(write([input]), { kind: 'InvalidParameter' });
    }
  });
});

describe('readTar', () => {
  it('gives members and bodies, skips what is not read, stops early', async () => {
    const archive = await write([
      { entry: { type: 'file', name: 'a' }, body: Buffer.alloc(300_000, 'a') },
      { entry: { type: 'file', name: 'b' }, body: Buffer.from('bbb') },
      { entry: { type: 'directory', name: 'c' } },
      { entry: { type: 'file', name: 'd' }, body: Buffer.from('ddd') },
    ]);
    const chunks = function* (): Generator<Buffer> {
      for (let at = 0; at < archive.length; at += 1000) yield archive.subarray(at, at + 1000);
    };
    const seen: string[] = [];
    for await (const member of readTar(Readable.from(chunks()))) {
      const name = member.entry.name.toString();
      seen.push(name === 'b' || name === 'd' ? (await member.bytes(10)).toString() : name);
    }
    assert.deepEqual(seen, ['a', 'bbb', 'c', 'ddd']);

    const stream = Readable.from(chunks());
    for await (const member of readTar(stream)) {
      await assert.rejects(member.bytes(1000), { kind: 'InvalidParameter' });
      break;
    }
    assert.ok(stream.destroyed);
    await assert.rejects(
      async () => {
        for await (const _ of readTar(Readable.from([archive.subarray(0, 5000)]))) {
          // each body is skipped
        }
      },
      { kind: 'DataLoss' },
    );
  });
});
