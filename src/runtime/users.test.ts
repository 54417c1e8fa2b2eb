import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { RootedDir } from '../linux/index.ts';
import { resolveUser } from './index.ts';

const base = fs.mkdtempSync(join(tmpdir(), 'wharf-users-'));
fs.mkdirSync(join(base, 'etc'));
fs.writeFileSync(
  join(base, 'etc/passwd'),
  '# comment\nroot:x:0:0:root:/root:/bin/sh\n\nbob:x:1000:1001:Bob:/home/bob:/bin/sh\n007:x:7:7::/spy:\nbad\n',
);
fs.writeFileSync(join(base, 'etc/group'), 'root:x:0:\nwheel:x:10:root,bob\nstaff:x:50:bob\n');
const root = RootedDir.open(base);
after(() => {
  root.close();
  fs.rmSync(base, { recursive: true });
});

const ids = (user: string, groups: string[] = []) => {
  const { uid, gid, additionalGids, home } = resolveUser(root, user, groups);
  return [uid, gid, additionalGids.join(), home];
};

test('names, numbers and groups as Docker resolves them', () => {
  assert.deepEqual(ids(''), [0, 0, '0,10', '/root']);
  assert.deepEqual(ids('bob'), [1000, 1001, '1001,10,50', '/home/bob']);
  assert.deepEqual(ids('1000'), [1000, 1001, '1001,10,50', '/home/bob']);
  assert.deepEqual(ids('bob:staff'), [1000, 50, '50', '/home/bob']);
  assert.deepEqual(ids('bob:99'), [1000, 99, '99', '/home/bob']);
  assert.deepEqual(ids(':staff'), [0, 50, '50', '/root']);
  assert.deepEqual(ids('4242'), [4242, 0, '0', '/']);
  assert.deepEqual(ids('4242:4243', ['wheel', '77']), [4242, 4243, '4243,10,77', '/']);
  assert.deepEqual(ids('007'), [7, 7, '7', '/spy']); // a number is no name
});

test('what is not there is refused in Docker’s words', () => {
  assert.throws(() => ids('eve'), {
    message: 'unable to find user eve: no matching entries in passwd file',
    kind: 'InvalidParameter',
  });
  assert.throws(() => ids('bob:eves'), {
    message: 'unable to find group eves: no matching entries in group file',
  });
  assert.throws(() => ids('0', ['eves']), /Unable to find group eves/);
  assert.throws(() => ids('4294967295'), { message: 'uids and gids must be in range 0-2147483647' });
  assert.throws(() => ids('-1'), /must be in range/);
});

test('an image without the files, or with a link out of it', () => {
  const empty = fs.mkdtempSync(join(base, 'empty-'));
  fs.mkdirSync(join(empty, 'etc'));
  fs.symlinkSync('/etc/passwd', join(empty, 'etc/passwd')); // dangling inside the root: never the host's
  const dir = RootedDir.open(empty);
  assert.deepEqual(resolveUser(dir, ''), { uid: 0, gid: 0, additionalGids: [0], home: '/' });
  assert.throws(() => resolveUser(dir, 'root'), /unable to find user root/);
  dir.close();
});
