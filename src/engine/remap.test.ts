import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRemap, parseSubIds, remapIds, subIdRanges } from './remap.ts';

const SUBUID = 'alice:100000:65536\n# a remark\nbob:165536:10\n1000:200000:5\nbroken\nbob:300000:20\n';

test('subordinate ids are taken by name and by id, one range after the other', () => {
  assert.equal(parseSubIds(SUBUID).length, 4);
  assert.deepEqual(subIdRanges(SUBUID, { user: 'bob', uid: 1000 }), [
    { inside: 0, outside: 165_536, size: 10 },
    { inside: 10, outside: 200_000, size: 5 },
    { inside: 15, outside: 300_000, size: 20 },
  ]);
  assert.deepEqual(subIdRanges(SUBUID, { user: 'carol', uid: 7 }), []);
});

test('users and groups are found by name and by id', () => {
  for (const spec of ['daemon', 'daemon:daemon', '1', '1:1', 'daemon:1']) {
    assert.deepEqual(parseRemap(spec), { user: 'daemon', uid: 1, group: 'daemon' }, spec);
  }
});

test('what is not there is told in Docker’s words', () => {
  for (const [spec, words] of [
    ['a:b:c', 'Invalid user/group specification in --userns-remap: "a:b:c"'],
    ['nobody-of-this-name', 'Error during uid lookup for "nobody-of-this-name": no such user'],
    ['3999999', 'Uid 3999999 has no entry in /etc/passwd'],
    ['daemon:3999999', 'Gid 3999999 has no entry in /etc/group'],
    ['daemon:no-such-group', 'Error during groupname lookup for "no-such-group": no such group'],
    ['games', 'error creating ID mappings: no subuid ranges found for user "games"'],
  ] as const) {
    assert.throws(() => remapIds(spec), { kind: 'InvalidParameter', message: words });
  }
  assert.equal(remapIds('root'), undefined, 'root stays root');
  assert.equal(remapIds('0:0'), undefined);
});
