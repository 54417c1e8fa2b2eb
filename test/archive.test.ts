/** Files in and out of containers: cp, export, diff, commit. */
import assert from 'node:assert/strict';
import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, afterEach, describe, test } from 'node:test';
import { waitFor } from '../scripts/engine-client.ts';
import { ok } from './harness/command.ts';
import { type Cli, engineName, useEngine } from './harness/engine.ts';

const own = engineName === 'dockerd' && 'beyond dockerd 20.10';

describe('files of containers', () => {
  const engine = useEngine({ images: ['busybox'] });
  const docker = (): Cli => engine().cli('docker-28');
  const host = mkdtempSync(join(tmpdir(), 'wharf-archive-'));
  after(() => rmSync(host, { recursive: true }));
  afterEach(() => engine().clear());

  const file = (name: string, content = name): string => {
    writeFileSync(join(host, name), content);
    return join(host, name);
  };
  const run = (name: string, script: string, ...options: string[]) =>
    docker().ok('run', '-d', '--name', name, ...options, 'busybox', 'sh', '-c', `${script}; sleep 1000`);
  const sh = (name: string, script: string) => docker().ok('exec', name, 'sh', '-c', script);
  const ready = (name: string, path: string) =>
    waitFor(
      `${path} in ${name}`,
      async () => (await docker().run(['exec', name, 'test', '-e', path])).code === 0,
    );

  test('cp in and out, running and stopped: owners, modes, times, links, names that are no text', async () => {
    await run(
      'copied',
      'mkdir -p /d/sub; echo x > /d/sub/f; chmod 640 /d/sub/f; chown 5:6 /d/sub/f; touch -d 2001-02-03 /d/sub/f; ln -s f /d/sub/l; ln /d/sub/f /d/sub/hard; printf y > "/d/$(printf "\\\\377")"; touch /done',
    );
    await ready('copied', '/done');
    for (const state of ['running', 'stopped']) {
      const out = join(host, state);
      await docker().ok('cp', '-a', 'copied:/d', out);
      const stat = statSync(join(out, 'sub/f'));
      assert.deepEqual([stat.mode & 0o7777, stat.nlink], [0o640, 2], state);
      // The command line makes what it unpacks its user's; the archive has the owners.
      const { body } = await engine().client.request('GET', '/containers/copied/archive?path=/d/sub/f');
      assert.match(body.slice(100, 124), /^0000640\0 ?0*5\0 ?0*6\0/);
      chownSync(join(out, 'sub/f'), 5, 6);
      assert.equal(stat.mtime.toISOString().slice(0, 10), '2001-02-03');
      assert.equal(await ok(['ls', '-A', out]).then((text) => text.split('\n').length), 2);
      await docker().ok('cp', '-a', out, `copied:/copy-${state}`);
      if (state === 'running') await docker().ok('stop', '-t', '0', 'copied');
    }
    await docker().ok('start', 'copied');
    assert.equal(
      await sh(
        'copied',
        'stat -c "%a %u %g %h" /copy-running/sub/f /copy-stopped/sub/f; readlink /copy-stopped/sub/l',
      ),
      '640 5 6 2\n640 5 6 2\nf',
    );
    // Docker's documentation says root's without -a; Docker keeps the owner.
    await docker().ok('cp', join(host, 'running/sub/f'), 'copied:/mine');
    assert.equal(await sh('copied', 'stat -c "%u %g" /mine'), '5 6');
  });

  test('cp through volumes, binds, tmpfs and symlinks; to what is read-only it is refused', async () => {
    mkdirSync(join(host, 'bind'));
    mkdirSync(join(host, 'ro'));
    await run(
      'mounts',
      'ln -s /vol /link; touch /done',
      '-v',
      '/vol',
      '-v',
      `${join(host, 'bind')}:/bind`,
      '-v',
      `${join(host, 'ro')}:/ro:ro`,
      '--tmpfs',
      '/tmp',
    );
    await ready('mounts', '/done');
    const source = file('one');
    for (const target of ['/vol/', '/link/two', '/bind/', '/tmp/'])
      await docker().ok('cp', source, `mounts:${target}`);
    assert.equal(await sh('mounts', 'cat /vol/one /vol/two /tmp/one'), 'oneoneone');
    assert.equal(readFileSync(join(host, 'bind/one'), 'utf8'), 'one');
    assert.match(
      await docker().fails(1, 'cp', source, 'mounts:/ro/'),
      /mounted volume is marked read-only|read-only file system/,
    );
    await docker().ok('stop', '-t', '0', 'mounts');
    await docker().ok('cp', source, 'mounts:/vol/three');
    await docker().ok('cp', 'mounts:/vol/three', join(host, 'back'));
    assert.equal(readFileSync(join(host, 'back'), 'utf8'), 'one');
    await docker().ok('run', '-d', '--name', 'readonly', '--read-only', 'busybox', 'sleep', '1000');
    assert.match(await docker().fails(1, 'cp', source, 'readonly:/'), /container rootfs is marked read-only/);
  });

  test('errors in Docker’s words', async () => {
    await run('errs', 'mkdir /dir; touch /f /done');
    await ready('errs', '/done');
    const source = file('one');
    assert.match(
      await docker().fails(1, 'cp', 'errs:/nothing', host),
      /Could not find the file \/nothing in container errs/,
    );
    assert.match(
      await docker().fails(1, 'cp', source, 'errs:/nothing/'),
      /no such directory|Could not find|not exist/i,
    );
    mkdirSync(join(host, 'tree'));
    assert.match(
      await docker().fails(1, 'cp', join(host, 'tree'), 'errs:/f'),
      /cannot copy directory|not a directory/i,
    );
    assert.match(await docker().fails(1, 'cp', source, 'absent:/x'), /No such container: absent/);
    const head = await engine().client.request('HEAD', '/containers/errs/archive?path=/dir');
    const stat = JSON.parse(
      Buffer.from(String(head.headers['x-docker-container-path-stat']), 'base64').toString(),
    );
    assert.deepEqual([stat.name, stat.mode >>> 31, stat.linkTarget], ['dir', 1, '']);
    const bad = await engine().client.request('PUT', '/containers/errs/archive?path=/f', {
      body: Readable.from([Buffer.alloc(1024)]),
    });
    assert.equal(bad.status, 400);
    assert.match(String(bad.body), /extraction point is not a directory/);
  });

  test('our own cp says what docker’s says, and brings every kind of file', { skip: own }, async () => {
    const wharf = engine().cli('wharf');
    await run('ours', 'mkdir -p /fx/d; mkfifo /fx/p; mknod /fx/n c 1 3; echo x > /fx/d/f; touch /done');
    await ready('ours', '/done');
    const source = file('ours.txt');
    // A refusal comes while the archive is still being sent.
    for (const [from, to, words] of [
      [source, 'ours:/none/x/y', 'Could not find the file /none/x in container ours'],
      ['ours:/none', join(host, 'none'), 'Could not find the file /none in container ours'],
      [source, 'ours:/none/', 'no such directory'],
      [host, 'ours:/done', 'cannot copy directory'],
    ] as const) {
      const [theirs, mine] = [await docker().run(['cp', from, to]), await wharf.run(['cp', from, to])];
      assert.ok(theirs.stderr.includes(words), theirs.stderr);
      assert.deepEqual([mine.code, mine.stderr.includes(words)], [theirs.code, true], mine.stderr);
    }
    const out = join(host, 'ours');
    await wharf.ok('cp', 'ours:/fx', out);
    assert.deepEqual(
      [statSync(join(out, 'p')).isFIFO(), statSync(join(out, 'n')).isCharacterDevice()],
      [true, true],
    );
    await wharf.ok('cp', 'ours:/', join(host, 'whole'));
    assert.equal(readFileSync(join(host, 'whole/fx/d/f'), 'utf8'), 'x\n');
  });

  test('symlinks swapped meanwhile lead nowhere but into the container', { skip: own }, async () => {
    writeFileSync(join(host, 'secret'), 'of the host');
    // In the container: the name leads by turns into it and to where the host's file lies, a hundred times a second and more.
    await run(
      'race',
      `mkdir -p /real ${host}; echo inside > /real/secret; echo inside > ${host}/secret; touch /done; while :; do ln -sfn /real /x; ln -sfn ../../../../../../../..${host} /x; done`,
    );
    await ready('race', '/done');
    await ready('race', '/x');
    const content = file('payload', 'written from outside');
    for (let round = 0; round < 40; round++) {
      const get = await engine().client.request('GET', '/containers/race/archive?path=/x/secret');
      if (get.status === 200)
        assert.ok(String(get.body).includes('inside') && !String(get.body).includes('of the host'));
      await docker().run(['cp', content, 'race:/x/secret']);
      await sh('race', `echo inside > /real/secret; echo inside > ${host}/secret`);
    }
    assert.equal(readFileSync(join(host, 'secret'), 'utf8'), 'of the host');
    symlinkSync('/etc', join(host, 'way'));
    await docker().run(['cp', content, `race:${host}/../../../../../../../../etc/evil`]);
    assert.ok(!statSync('/etc/evil', { throwIfNoEntry: false }));
  });

  test('export is the whole root file system without what is mounted; import makes it an image', async () => {
    await run(
      'whole',
      'echo kept > /kept; rm /bin/vi; echo hidden > /vol/hidden; touch /done',
      '-v',
      '/vol',
      '-v',
      '/a/mount/point',
    );
    await ready('whole', '/done');
    const tar = join(host, 'x.tar');
    await docker().ok('export', '-o', tar, 'whole');
    const names = (await ok(['tar', 'tf', tar])).split('\n');
    assert.ok(names.includes('kept') && names.includes('bin/busybox') && names.includes('vol/'));
    assert.ok(!names.some((name) => /^bin\/vi$|hidden|^proc\/./.test(name)));
    // What is mounted on is as Docker makes it, for it stays in images of the container.
    const made = (await ok(['tar', 'tvf', tar])).split('\n').filter((line) => / (?:vol|a\/.*)\/$/.test(line));
    assert.deepEqual(
      made.map((line) => line.slice(0, 10)),
      ['drwxr-xr-x', 'drwxr-xr-x', 'drwxr-xr-x'],
    );
    await docker().ok('import', '-c', 'CMD ["cat", "/kept"]', tar, 'imported:1');
    assert.equal(await docker().ok('run', '--rm', 'imported:1'), 'kept');
    assert.match(await docker().ok('diff', 'whole'), /^A \/done$/m);
    assert.match(await docker().ok('diff', 'whole'), /^D \/bin\/vi$/m);
  });

  test('commit: files, deletions, config and history; save, load and skopeo take it', async () => {
    await run('made', 'echo new > /new; rm /bin/vi; touch /done', '-e', 'A=b', '-v', '/vol');
    await ready('made', '/done');
    const id = await docker().ok(
      'commit',
      '-a',
      'who',
      '-m',
      'why',
      '-c',
      'CMD ["cat", "/new"]',
      '-c',
      'LABEL x=y',
      '-c',
      'EXPOSE 80',
      'made',
      'made:1',
    );
    assert.match(id, /^sha256:[0-9a-f]{64}$/);
    assert.equal(await docker().ok('inspect', '-f', '{{.State.Status}}', 'made'), 'running');
    assert.equal(await docker().ok('run', '--rm', 'made:1'), 'new');
    assert.equal(
      await docker().ok('run', '--rm', 'made:1', 'sh', '-c', 'echo $A; test -e /bin/vi || echo gone'),
      'b\ngone',
    );
    const format =
      '{{.Author}} {{.Comment}} {{json .Config.Labels}} {{json .Config.ExposedPorts}} {{json .Config.Volumes}}';
    const inspected = await docker().ok('inspect', '-f', format, 'made:1');
    assert.match(inspected, /^who why \{"x":"y".*\} \{"80\/tcp":\{\}\} \{"\/vol":\{\}\}$/);
    assert.match(await docker().ok('history', '--no-trunc', 'made:1'), /why/);
    const tar = join(host, 'made.tar');
    await docker().ok('save', '-o', tar, 'made:1');
    assert.match(await ok(['skopeo', 'inspect', `docker-archive:${tar}`]), /"Layers"/);
    await docker().ok('rmi', 'made:1');
    await docker().ok('load', '-i', tar);
    assert.equal(await docker().ok('run', '--rm', 'made:1'), 'new');
    assert.match(
      await docker().fails(1, 'commit', '-c', 'RUN x', 'made'),
      /RUN is not a valid change command/,
    );
    assert.match(await docker().fails(1, 'commit', 'absent'), /No such container: absent/);
  });

  test('a daemon that dies in the middle of a copy or a commit leaves nothing of it', {
    skip: own,
  }, async () => {
    await run('killed', 'head -c 50000000 /dev/zero > /big; touch /done');
    await ready('killed', '/done');
    for (const args of [
      ['cp', 'killed:/big', join(host, 'big')],
      ['commit', 'killed', 'half:1'],
    ]) {
      const client = docker().start(...args);
      await engine().signal('SIGKILL');
      await client.ended;
      await engine().launch();
      assert.equal(await docker().ok('inspect', '-f', '{{.State.Status}}', 'killed'), 'running');
      assert.equal(await sh('killed', 'echo thawed'), 'thawed');
    }
  });
});
