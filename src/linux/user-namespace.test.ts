import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { closeFd } from './fd.ts';
import { withFsIds } from './fs-ids.ts';
import { idMapText, lastInside, toInside, toOutside } from './id-map.ts';
import { bindIdmapped } from './idmapped-mount.ts';
import { unmount } from './mount.ts';
import { makeNetworkNamespaceIn, makeUserNamespace } from './user-namespace.ts';

const HELPER = fileURLToPath(new URL('../../.build/wharf-shim', import.meta.url));
const uids = [
  { inside: 0, outside: 100_000, size: 1000 },
  { inside: 1000, outside: 300_000, size: 10 },
];
const map = { uids, gids: [{ inside: 0, outside: 200_000, size: 1000 }] };
const base = fs.mkdtempSync('/tmp/wharf-userns-');
after(() => fs.rmSync(base, { recursive: true, force: true }));

/** What a namespace's descriptor is called, e.g. `user:[4026531837]`. */
const nameOf = (fd: number) => fs.readlinkSync(`/proc/self/fd/${fd}`);

test('ids are found both ways, and outside of the map there are none', () => {
  assert.deepEqual(
    [0, 999, 1000, 1009, 1010].map((id) => toOutside(uids, id)),
    [100_000, 100_999, 300_000, 300_009, undefined],
  );
  assert.deepEqual(
    [100_000, 300_009, 300_010, 0].map((id) => toInside(uids, id)),
    [0, 1009, undefined, undefined],
  );
  assert.equal(lastInside(uids), 1009);
  assert.equal(idMapText(uids), '0 100000 1000\n1000 300000 10\n');
});

test('a user namespace and a network namespace in it are new each time, and hold no process', () => {
  const made = makeUserNamespace(HELPER, map);
  const more = makeNetworkNamespaceIn(HELPER, made.user);
  try {
    const own = ['user', 'net'].map((kind) => fs.readlinkSync(`/proc/self/ns/${kind}`));
    assert.match(nameOf(made.user), /^user:\[\d+\]$/);
    assert.match(nameOf(made.network), /^net:\[\d+\]$/);
    assert.equal(new Set([...own, nameOf(made.user), nameOf(made.network), nameOf(more)]).size, 5);
  } finally {
    for (const fd of [made.user, made.network, more]) closeFd(fd);
  }
});

test('a map the kernel refuses is an error, not a hang', () => {
  const overlapping = { ...map, uids: [uids[0]!, uids[0]!] };
  assert.throws(() => makeUserNamespace(HELPER, overlapping), /EINVAL/);
  assert.throws(() => makeUserNamespace('/bin/true', map), /ended before CLONE_NEWUSER/);
});

test('an idmapped mount shows the ids of the map and writes those of the disk', () => {
  const [disk, view] = [`${base}/disk`, `${base}/view`];
  for (const dir of [disk, view]) fs.mkdirSync(dir);
  fs.writeFileSync(`${disk}/old`, '');
  fs.chownSync(`${disk}/old`, 7, 8);
  const { user, network } = makeUserNamespace(HELPER, map);
  try {
    bindIdmapped(disk, view, user);
    const ids = (path: string) => [fs.statSync(path).uid, fs.statSync(path).gid];
    assert.deepEqual(ids(`${view}/old`), [100_007, 200_008]);
    assert.throws(
      () => fs.writeFileSync(`${view}/new`, ''),
      /EOVERFLOW/,
      'root of the machine is nobody there',
    );
    withFsIds(100_000, 200_000, () => fs.writeFileSync(`${view}/new`, ''));
    fs.chownSync(`${view}/new`, 100_005, 200_006);
    assert.deepEqual(ids(`${disk}/new`), [5, 6]);
  } finally {
    closeFd(user);
    closeFd(network);
    unmount(view);
  }
});

test('making files as somebody else keeps all capabilities, and ends also when it fails', () => {
  fs.mkdirSync(`${base}/closed`, { mode: 0o700 });
  assert.throws(
    () =>
      withFsIds(4000, 4001, () => {
        fs.writeFileSync(`${base}/closed/file`, '');
        throw new Error('enough');
      }),
    /enough/,
  );
  fs.writeFileSync(`${base}/closed/own`, '');
  const owners = ['file', 'own'].map((name) => {
    const { uid, gid } = fs.statSync(`${base}/closed/${name}`);
    return [uid, gid];
  });
  assert.deepEqual(owners, [
    [4000, 4001],
    [process.getuid?.(), process.getgid?.()],
  ]);
});
