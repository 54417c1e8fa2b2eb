import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { closeFd, makeUserNamespace, openIdmapped, unmount, withFsIds } from '../linux/index.ts';
import { mountByScratch, mountIdmapped, tryIdmapped } from './idmapped-overlay.ts';

const HELPER = fileURLToPath(new URL('../../.build/wharf-shim', import.meta.url));
const base = fs.mkdtempSync('/tmp/wharf-idmapped-');
const ids = [{ inside: 0, outside: 100_000, size: 1000 }];
const { user, network } = makeUserNamespace(HELPER, { uids: ids, gids: ids });
const owner = { userNamespace: user, rootUid: 100_000, rootGid: 100_000, scratch: `${base}-scratch` };
after(() => {
  closeFd(user);
  closeFd(network);
  fs.rmSync(base, { recursive: true, force: true });
});

const [lower, upper, work, target] = ['low', 'up', 'work', 'target'].map((name) => `${base}/${name}`) as [
  string,
  string,
  string,
  string,
];
for (const dir of [lower, upper, work, target]) fs.mkdirSync(dir);
fs.writeFileSync(`${lower}/file`, 'from the image');
fs.chownSync(`${lower}/file`, 3, 4);

const owners = (path: string) => {
  const { uid, gid } = fs.lstatSync(path);
  return [uid, gid];
};

/** The ways for newer and older kernels do the same. */
for (const [way, mount] of [
  ['a detached view', () => mountIdmapped(base, { lower: [lower], upper, work, target }, owner)],
  [
    'a view mounted for a moment',
    () => {
      const view = openIdmapped(base, user);
      mountByScratch(base, { lower: [lower], upper, work, target }, owner, view);
      closeFd(view);
    },
  ],
] as const) {
  test(`an overlay on ${way} shows a namespace’s ids and keeps the image’s`, () => {
    mount();
    try {
      assert.deepEqual(owners(`${target}/file`), [100_003, 100_004]);
      fs.appendFileSync(`${target}/file`, ', changed');
      withFsIds(100_000, 100_000, () => fs.mkdirSync(`${target}/dir`));
      fs.chownSync(`${target}/dir`, 100_009, 100_009);
    } finally {
      unmount(target);
    }
    assert.deepEqual(
      [owners(`${upper}/file`), owners(`${upper}/dir`)],
      [
        [3, 4],
        [9, 9],
      ],
    );
    assert.equal(fs.existsSync(owner.scratch), false);
    assert.deepEqual(owners(`${lower}/file`), [3, 4]);
    fs.rmSync(upper, { recursive: true });
    fs.mkdirSync(upper);
  });
}

test('whether it works is tried without leaving anything', () => {
  fs.mkdirSync(`${base}/temp`);
  tryIdmapped(base, `${base}/temp`, owner);
  assert.deepEqual(fs.readdirSync(`${base}/temp`), []);
  assert.throws(
    () => tryIdmapped(base, `${base}/temp`, { ...owner, rootUid: 0, rootGid: 0 }),
    /EROFS|EOVERFLOW/,
  );
  assert.deepEqual(fs.readdirSync(`${base}/temp`), []);
});
