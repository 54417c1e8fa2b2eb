/** Volumes, bind mounts and tmpfs, in both syntaxes. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { absent } from './harness/clients.ts';
import { useEngine } from './harness/engine.ts';

describe('volumes', { skip: absent('docker-28') }, () => {
  const engine = useEngine({ images: ['busybox'] });
  const docker = () => engine().cli('docker-28');
  const inBusybox = (flags: string[], script: string) =>
    docker().ok('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);
  const volumes = async () => (await docker().ok('volume', 'ls', '-q')).split('\n').filter(Boolean);
  let count = 0;
  /** A new directory of the host's. */
  const directory = () => {
    const path = join(engine().sandbox.directory, `bind-${count++}`);
    mkdirSync(path);
    return path;
  };
  afterEach(() => engine().clear());

  test('a named volume outlives its containers and is shared by them while they run', async () => {
    await docker().ok(
      'run',
      '-d',
      '--name',
      'writer',
      '-v',
      'data:/d',
      'busybox',
      'sh',
      '-c',
      'echo kept > /d/file; sleep 300',
    );
    await docker().ok('exec', 'writer', 'sh', '-c', 'until [ -s /d/file ]; do sleep 0.01; done');
    assert.equal(
      await inBusybox(['-v', 'data:/elsewhere'], 'cat /elsewhere/file; echo more >> /elsewhere/file'),
      'kept',
    );
    assert.equal(await docker().ok('exec', 'writer', 'cat', '/d/file'), 'kept\nmore');
    await docker().ok('rm', '-f', '-v', 'writer');
    assert.deepEqual(await volumes(), ['data'], 'rm -v removes anonymous volumes only');
    assert.equal(
      await inBusybox(['-v', 'data:/d:ro'], 'cat /d/file; touch /d/x 2>&1 || true'),
      'kept\nmore\ntouch: /d/x: Read-only file system',
    );
  });

  test('an empty volume is filled from the image, with owners and modes', async () => {
    assert.equal(await inBusybox(['-v', 'mail:/var/spool'], 'ls /var/spool'), 'mail');
    assert.equal(
      await inBusybox(['-v', 'roots:/root', '-v', 'temp:/tmp'], 'stat -c "%a" /root /tmp'),
      '700\n1777',
    );
    assert.equal(
      await inBusybox(['-v', 'etc:/etc'], 'cmp /etc/passwd /etc/passwd && head -1 /etc/group; rm /etc/group'),
      'root:x:0:',
    );
    assert.equal(
      await inBusybox(['-v', 'etc:/etc'], 'ls /etc/group 2>&1 || true'),
      'ls: /etc/group: No such file or directory',
      'once only',
    );
    assert.equal(
      await inBusybox(['--mount', 'type=volume,src=bare,dst=/etc/x,volume-nocopy'], 'ls -A /etc/x'),
      '',
    );
  });

  test('anonymous volumes go with --rm and rm -v, named ones stay', async () => {
    await inBusybox(['-v', '/anonymous', '-v', 'named:/n'], 'touch /anonymous/a');
    assert.deepEqual(await volumes(), ['named']);
    await docker().ok('run', '--name', 'user', '-v', '/anonymous', 'busybox', 'true');
    assert.equal((await volumes()).length, 2);
    await docker().ok('rm', '-v', 'user');
    assert.deepEqual(await volumes(), ['named']);
  });

  test('volume create, labels, filters, prune', async () => {
    assert.equal(await docker().ok('volume', 'create', '--label', 'a=b', 'mine'), 'mine');
    assert.equal(await docker().ok('volume', 'inspect', '-f', '{{.Labels.a}}', 'mine'), 'b');
    assert.equal(await docker().ok('volume', 'ls', '-q', '--filter', 'label=a=b'), 'mine');
    assert.match(await docker().ok('volume', 'create'), /^[0-9a-f]{64}$/);
    assert.equal(await docker().ok('volume', 'ls', '-q', '--filter', 'name=mi'), 'mine');
    await docker().ok('create', '-v', 'mine:/m', 'busybox');
    assert.equal(await docker().ok('volume', 'ls', '-q', '--filter', 'dangling=false'), 'mine');
    assert.match(await docker().fails(1, 'volume', 'rm', 'mine'), /volume is in use - \[[0-9a-f]{64}\]/);
    assert.match(await docker().ok('volume', 'prune', '-f'), /Total reclaimed space: /);
    assert.deepEqual(await volumes(), ['mine']);
    assert.match(
      await docker().fails(1, 'volume', 'create', 'no/slash'),
      /includes invalid characters for a local volume name/,
    );
  });

  test('bind mounts: directories, files, read-only', async () => {
    const host = directory();
    writeFileSync(join(host, 'in'), 'from the host\n');
    assert.equal(
      await inBusybox(['-v', `${host}:/h`], 'cat /h/in; echo back > /h/out; chown 7:8 /h/out'),
      'from the host',
    );
    const out = join(host, 'out');
    assert.deepEqual([readFileSync(out, 'utf8'), statSync(out).uid, statSync(out).gid], ['back\n', 7, 8]);
    assert.match(
      await inBusybox(['-v', `${host}:/h:ro`], 'echo x 2>&1 > /h/y || true; touch /h/y 2>&1 || true'),
      /Read-only file system/,
    );
    assert.equal(await inBusybox(['-v', `${join(host, 'in')}:/etc/motd`], 'cat /etc/motd'), 'from the host');
    assert.match(
      await inBusybox(['--mount', `type=bind,source=${host},target=/h,readonly`], 'touch /h/y 2>&1 || true'),
      /Read-only/,
    );
    assert.equal(existsSync(join(host, 'y')), false);
  });

  test('a missing bind source is made by -v and refused by --mount', async () => {
    const missing = join(directory(), 'new/deep');
    await inBusybox(['-v', `${missing}:/h`], 'touch /h/made');
    assert.ok(existsSync(join(missing, 'made')));
    const other = join(directory(), 'absent');
    assert.match(
      await docker().fails(125, 'run', '--rm', '--mount', `type=bind,src=${other},dst=/h`, 'busybox', 'true'),
      new RegExp(`bind source path does not exist: ${other}`),
    );
    assert.equal(existsSync(other), false);
  });

  test('what a volume or bind hides, and mounts within mounts', async () => {
    const host = directory();
    mkdirSync(join(host, 'inner'));
    chmodSync(host, 0o755);
    const out = await inBusybox(
      ['-v', 'inner:/outer/inner', '-v', `${host}:/outer`, '--tmpfs', '/outer/inner/t'],
      'mount | grep -o "on /outer[^ ]*" | sort',
    );
    assert.equal(out, 'on /outer\non /outer/inner\non /outer/inner/t');
  });

  test('--mount type=tmpfs', async () => {
    const out = await inBusybox(
      ['--mount', 'type=tmpfs,dst=/t,tmpfs-size=2m,tmpfs-mode=700'],
      'stat -c %a /t; df -k /t | awk "NR==2{print \\$2}"',
    );
    assert.equal(out, '700\n2048');
  });

  test('--volumes-from, and what inspect tells of mounts', async () => {
    const host = directory();
    await docker().ok('create', '--name', 'base', '-v', 'vol:/vol', '-v', `${host}:/host:ro`, 'busybox');
    assert.equal(
      await inBusybox(['--volumes-from', 'base'], 'echo x > /vol/f && ls -d /vol /host'),
      '/host\n/vol',
    );
    const mounts = JSON.parse(await docker().ok('inspect', '-f', '{{json .Mounts}}', 'base')) as Record<
      string,
      unknown
    >[];
    const byTarget = Object.fromEntries(mounts.map((mount) => [mount.Destination, mount]));
    const { Type, Name, Driver, RW } = byTarget['/vol'] ?? {};
    assert.deepEqual([Type, Name, Driver, RW], ['volume', 'vol', 'local', true]);
    const bind = byTarget['/host'] ?? {};
    assert.deepEqual([bind.Type, bind.Source, bind.RW, bind.Propagation], ['bind', host, false, 'rprivate']);
  });

  test('paths that are no good are refused', async () => {
    assert.match(
      await docker().fails(125, 'run', '--rm', '-v', '/:/', 'busybox', 'true'),
      /destination can't be '\/'/,
    );
  });
});
