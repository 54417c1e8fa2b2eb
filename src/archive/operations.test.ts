import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, test } from 'node:test';
import { bindMount, cloneMountAt, type IdMap, RootedDir, unmount } from '../linux/index.ts';
import { readTar, type TarEntry, type TarInput, writeTar } from '../oci/index.ts';
import { get, put, stat } from './operations.ts';
import type { PathStat } from './path-stat.ts';

let base = '';
let root: RootedDir;

/** Mounted nowhere, as views are: what is mounted in it by now comes along. */
const view = (): RootedDir => RootedDir.fromFd(cloneMountAt(path.join(base, 'root'), true));

beforeEach(() => {
  base = fs.mkdtempSync(path.join(tmpdir(), 'wharf-archive-'));
  fs.mkdirSync(path.join(base, 'root'));
  root = view();
});
afterEach(() => {
  root.close();
  fs.rmSync(base, { recursive: true });
});

const at = (name: string): string => path.join(base, 'root', name);

async function packed(name: string): Promise<{ stat: PathStat | undefined; members: TarEntry[] }> {
  const chunks: Buffer[] = [];
  let head: PathStat | undefined;
  const sink = (chunk: Buffer): undefined => void chunks.push(chunk);
  await get(root, Buffer.from(name), (told) => (head = told), sink);
  const members: TarEntry[] = [];
  for await (const { entry } of readTar(Readable.from(chunks))) members.push(entry);
  return { stat: head, members };
}

interface Extraction {
  noOverwriteDirNonDir?: boolean;
  ids?: IdMap;
  between?: () => void;
}

async function extract(name: string, inputs: TarInput[], options: Extraction = {}): Promise<void> {
  const { noOverwriteDirNonDir = false, ids, between } = options;
  const input = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of writeTar(inputs)) {
      yield chunk;
      between?.();
    }
  };
  const source = { input, recycle: () => {}, isCancelled: () => false };
  await put(root, { path: Buffer.from(name), noOverwriteDirNonDir, owner: undefined, ids }, source);
}

const file = (name: string | Buffer, body: string): TarInput => ({
  entry: { type: 'file', name },
  body: Buffer.from(body),
});

test('members are named as Docker names them, by what was asked for', async () => {
  fs.mkdirSync(at('a/b'), { recursive: true });
  fs.writeFileSync(at('a/b/f'), 'x');
  fs.symlinkSync('a', at('l'));
  const names = async (name: string): Promise<string[]> =>
    (await packed(name)).members.map((member) => member.name.toString());
  assert.deepEqual(await names('/a'), ['a', 'a/b', 'a/b/f']);
  assert.deepEqual(await names('a/'), ['a', 'a/b', 'a/b/f']);
  assert.deepEqual(await names('/a/.'), ['.', './b', './b/f']);
  assert.deepEqual(await names('/l'), ['l']);
  assert.deepEqual(await names('/l/'), ['l', 'l/b', 'l/b/f']);
  assert.deepEqual(await names('/l/b/../../a/b/f'), ['f']);
  assert.deepEqual(await names('/'), ['/', '/a', '/a/b', '/a/b/f', '/l']);
});

test('links are told as far as they lead, and never out', () => {
  fs.mkdirSync(at('d'));
  fs.symlinkSync('/d/../../../d', at('in'));
  fs.symlinkSync('/nowhere/../gone/x', at('broken'));
  fs.symlinkSync('loop', at('loop'));
  assert.equal(stat(root, Buffer.from('/in')).linkTarget, '/d');
  assert.equal(stat(root, Buffer.from('/broken')).linkTarget, '/gone/x');
  assert.throws(() => stat(root, Buffer.from('/loop')), /lstat \/loop: too many levels of symbolic links/);
  assert.throws(() => stat(root, Buffer.from('/d/none')), { code: 'ENOENT' });
});

test('what is in the way is replaced, unless it is of another kind and shall stay', async () => {
  fs.mkdirSync(at('dir/in'), { recursive: true });
  fs.writeFileSync(at('file'), 'old');
  const over = [file('dir', 'now a file')];
  await assert.rejects(extract('/', over, { noOverwriteDirNonDir: true }), {
    kind: 'InvalidParameter',
    message: 'cannot overwrite directory "/dir" with non-directory "/"',
  });
  await extract('/', over);
  assert.equal(fs.readFileSync(at('dir'), 'utf8'), 'now a file');
  const directory: TarInput[] = [{ entry: { type: 'directory', name: 'file' } }, file('file/in', 'x')];
  await assert.rejects(
    extract('/', directory, { noOverwriteDirNonDir: true }),
    /cannot overwrite non-directory/,
  );
  await extract('/', directory);
  assert.equal(fs.readFileSync(at('file/in'), 'utf8'), 'x');
});

test('no member leaves the root: by its name, by a link it brings, by a hard link', async () => {
  fs.writeFileSync(path.join(base, 'secret'), 'secret');
  fs.mkdirSync(at('t'));
  await assert.rejects(extract('/t', [file('../../evil', 'x')]), /"..\/..\/evil" is outside of "\/t"/);
  const through: TarInput[] = [
    { entry: { type: 'symlink', name: 'up', linkName: '../../..' } },
    file('up/in', 'x'),
  ];
  await extract('/t', through);
  assert.equal(fs.readFileSync(at('in'), 'utf8'), 'x');
  const stolen: TarInput = { entry: { type: 'link', name: 'h', linkName: 'up/secret' } };
  await assert.rejects(extract('/t', [stolen]), { code: 'ENOENT' });
  assert.ok(!fs.existsSync(path.join(base, 'evil')));
});

test('what something is mounted on stays', async () => {
  fs.mkdirSync(at('vol'));
  fs.mkdirSync(path.join(base, 'data'));
  fs.writeFileSync(path.join(base, 'data/kept'), 'x');
  bindMount(path.join(base, 'data'), at('vol'));
  root.close();
  root = view();
  try {
    await assert.rejects(extract('/', [file('vol', 'x')]), /unlinkat \/vol: device or resource busy/);
    assert.ok(fs.existsSync(at('vol/kept')));
  } finally {
    unmount(at('vol'));
  }
});

test('a device, a fifo and a name that is no text come and go as they are', async () => {
  const odd = Buffer.from([0x6e, 0xff]);
  await extract('/', [
    file(odd, 'odd'),
    { entry: { type: 'char', name: 'null', devMajor: 1, devMinor: 3, mode: 0o4751 } },
    { entry: { type: 'fifo', name: 'pipe' } },
  ]);
  const { members } = await packed('/.');
  const kinds = members.map(({ name, type, mode }) => [name.toString('latin1'), type, mode.toString(8)]);
  assert.deepEqual(kinds.slice(1), [
    ['./null', 'char', '4751'],
    ['./n\xff', 'file', '644'],
    ['./pipe', 'fifo', '644'],
  ]);
});

test('only while it makes files does the thread belong to the container’s root', async () => {
  const ranges = [{ inside: 0, outside: 200_000, size: 65_536 }];
  const ids: IdMap = { uids: ranges, gids: ranges };
  const owners: number[] = [];
  const between = (): void => {
    const other = path.join(base, `other${owners.length}`);
    fs.writeFileSync(other, '');
    owners.push(fs.statSync(other).uid);
  };
  await extract('/', [file('a', 'x'), file('made/b', 'y')], { ids, between });
  assert.ok(owners.length > 1 && owners.every((uid) => uid === 0), String(owners));
  assert.deepEqual([fs.statSync(at('a')).uid, fs.statSync(at('made')).gid], [200_000, 200_000]);
});
