/** Image archives: what Wharf writes is read by others, what others write is read by Wharf, what is hostile is refused. */
import assert from 'node:assert/strict';
import { createWriteStream, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterEach, describe, test } from 'node:test';
import { pack } from 'tar-stream';
import { buildImage } from '../library/build.ts';
import { absent, clientPath } from './harness/clients.ts';
import { ok } from './harness/command.ts';
import { engineName, useEngine } from './harness/engine.ts';
import { multiPlatformLayout } from './harness/layout.ts';

interface TarEntry {
  name: string;
  type?: 'file' | 'symlink' | 'link' | 'directory';
  linkname?: string;
}

describe('images', { skip: absent('docker-28', 'skopeo', 'umoci') }, () => {
  const engine = useEngine({ images: ['busybox', 'hello-world'] });
  const docker = () => engine().cli('docker-28');
  const path = (name: string) => join(engine().sandbox.directory, name);
  const skopeo = (...args: string[]) => ok([clientPath('skopeo'), '--insecure-policy', ...args]);
  const umoci = (...args: string[]) => ok([clientPath('umoci'), ...args]);
  afterEach(() => engine().clear());

  /** A tar of the entries as they are given; files hold the text `evil`. */
  async function hostile(name: string, entries: TarEntry[]): Promise<string> {
    const tar = pack();
    for (const entry of entries) tar.entry(entry, entry.type === undefined ? 'evil' : '');
    tar.finalize();
    await pipeline(tar, createWriteStream(path(name)));
    return path(name);
  }

  test('what is saved, skopeo and umoci read', {
    skip: engineName === 'dockerd' && 'dockerd 20.10 writes no OCI layout',
  }, async () => {
    await docker().ok('save', '-o', path('saved.tar'), 'busybox');
    const id = await docker().ok('image', 'inspect', '-f', '{{.Id}}', 'busybox');
    const config = await skopeo('inspect', '--config', '--raw', `docker-archive:${path('saved.tar')}`);
    assert.deepEqual((JSON.parse(config) as { config: { Cmd: string[] } }).config.Cmd, ['sh']);
    mkdirSync(path('layout'));
    await ok(['tar', '-xf', path('saved.tar'), '-C', path('layout')]);
    const raw = JSON.parse(await skopeo('inspect', '--raw', `oci:${path('layout')}:latest`)) as {
      config: { digest: string };
    };
    assert.equal(raw.config.digest, id, 'the image ID is the digest of the configuration');
    await umoci('unpack', '--image', `${path('layout')}:latest`, path('bundle'));
    assert.ok(existsSync(path('bundle/rootfs/bin/busybox')));
  });

  test('layers made by umoci: changes, whiteouts, opaque directories', async () => {
    const { path: archive } = await buildImage('busybox');
    await skopeo('copy', '-q', `docker-archive:${archive}:busybox:latest`, `oci:${path('work')}:v1`);
    mkdirSync(path('www'));
    writeFileSync(path('www/only'), 'new\n');
    await umoci('insert', '--image', `${path('work')}:v1`, '--tag', 'v2', path('www/only'), '/etc/added');
    await umoci('insert', '--image', `${path('work')}:v2`, '--whiteout', '/etc/group');
    await umoci('insert', '--image', `${path('work')}:v2`, '--opaque', path('www'), '/var');
    await skopeo('copy', '-q', `oci:${path('work')}:v2`, `docker-archive:${path('layered.tar')}:layered:2`);
    await docker().ok('load', '-i', path('layered.tar'));
    const out = await docker().ok(
      'run',
      '--rm',
      'layered:2',
      'sh',
      '-c',
      'cat /etc/added; ls /etc/group 2>&1; ls -A /var; cat /var/only',
    );
    assert.equal(out, 'new\nls: /etc/group: No such file or directory\nonly\nnew');
    assert.equal(await docker().ok('image', 'inspect', '-f', '{{len .RootFS.Layers}}', 'layered:2'), '4');
    await docker().ok('rmi', 'layered:2');
    assert.equal(
      await docker().ok('run', '--rm', 'busybox', 'ls', '/etc/group'),
      '/etc/group',
      'shared layers stay',
    );
  });

  test('an OCI layout with several platforms is loaded', {
    skip: engineName === 'dockerd' && 'dockerd 20.10 loads no OCI layout',
  }, async () => {
    await multiPlatformLayout(path('multi'), [
      { os: 'linux', architecture: 's390x' },
      { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : 'arm64' },
    ]);
    await ok(['tar', '-cf', path('multi.tar'), '-C', path('multi'), 'oci-layout', 'index.json', 'blobs']);
    const said = await docker().ok('load', '-i', path('multi.tar'));
    const image = /Loaded image(?: ID)?: (\S+)/.exec(said)?.[1];
    assert.ok(image, said);
    assert.match(await docker().ok('run', '--rm', image), /Hello from a container run by Wharf/);
  });

  test('owners, modes, times, links, extended attributes and file capabilities arrive', async () => {
    const root = path('tree');
    mkdirSync(root);
    const make = [
      'cp /bin/busybox busybox; ln busybox hard; ln -s busybox soft; mkfifo pipe; mknod null c 1 3; mkdir -m 1777 open',
      'chown 12:34 pipe; chmod 4755 busybox; touch -d "2001-02-03 04:05:06.123456789Z" dated; truncate -s 200M sparse',
      'cp /bin/busybox busybox-capable; setcap cap_net_raw+ep busybox-capable',
    ];
    await ok(['sh', '-ec', make.join('\n')], { cwd: root });
    const format = ['--format=posix', '--xattrs', '--xattrs-include=*', '--sparse'];
    await ok(['tar', '--create', ...format, '-f', path('tree.tar'), '-C', root, '.']);
    await docker().ok('import', path('tree.tar'), 'tree:1');
    const script = [
      '/busybox stat -c "%n %a %u:%g %h %F" /busybox /pipe /null /open',
      '/busybox stat -c "%s %b" /sparse; /busybox stat -c %y /dated; /busybox readlink /soft',
      '/busybox-capable sed -n "s/CapPrm:\\t0*//p" /proc/self/status',
    ];
    const out = await docker().ok(
      'run',
      '--rm',
      '-u',
      '1000',
      'tree:1',
      '/busybox',
      'sh',
      '-c',
      script.join('\n'),
    );
    const [box, pipe, device, open, sparse, dated, soft, capabilities] = out.split('\n');
    assert.deepEqual(
      [box, pipe, device, open],
      [
        '/busybox 4755 0:0 2 regular file',
        '/pipe 644 12:34 1 fifo',
        '/null 644 0:0 1 character special file',
        '/open 1777 0:0 2 directory',
      ],
    );
    assert.match(sparse ?? '', /^209715200 /);
    assert.match(dated ?? '', /^2001-02-03 04:05:06\.123456789 /);
    assert.deepEqual([soft, capabilities], ['busybox', '2000']);
    await docker().ok('rmi', 'tree:1');
  });

  test('names that are long or not text', async () => {
    const root = path('names');
    mkdirSync(root);
    const long = 'd'.repeat(120);
    const make = `cp /bin/busybox busybox; mkdir -p ${long}/${long}; echo deep > ${long}/${long}/${long}; echo odd > "$(printf 'caf\\351')"`;
    await ok(['sh', '-ec', make], { cwd: root });
    await ok(['tar', '--create', '--format=gnu', '-f', path('names.tar'), '-C', root, '.']);
    await docker().ok('import', path('names.tar'), 'names:1');
    const script = `/busybox cat /${long}/${long}/${long} "/$(/busybox printf 'caf\\351')"`;
    assert.equal(await docker().ok('run', '--rm', 'names:1', '/busybox', 'sh', '-c', script), 'deep\nodd');
    await docker().ok('rmi', 'names:1');
  });

  test('hostile archives write nothing outside their layer', async () => {
    const target = path('victim');
    writeFileSync(target, 'untouched\n');
    const link = (name: string, linkname: string): TarEntry => ({ name, type: 'symlink', linkname });
    const hard = (name: string, linkname: string): TarEntry => ({ name, type: 'link', linkname });
    const up = '../'.repeat(12);
    const archives: Record<string, TarEntry[]> = {
      'dotdot.tar': [{ name: `${up}${target}` }, { name: `x/${up}${target}` }],
      'absolute.tar': [{ name: target }],
      'symlink.tar': [link('away', '/'), { name: `away${target}` }],
      'symlink-up.tar': [link('up', up), { name: `up${target}` }],
      'hardlink.tar': [hard('hard', target), { name: 'hard' }],
      'hardlink-up.tar': [hard('hard', `${up}${target}`), { name: 'hard' }],
      'parent-becomes-link.tar': [{ name: 'd', type: 'directory' }, link('d', '/'), { name: `d${target}` }],
    };
    for (const [name, entries] of Object.entries(archives)) {
      const result = await docker().run(['import', await hostile(name, entries), `hostile:${name}`]);
      // Kept inside the layer or refused with a reason: both are safe.
      if (result.code === 0) await docker().ok('rmi', `hostile:${name}`);
      else assert.match(result.stderr, /\w+/);
      assert.equal(readFileSync(target, 'utf8'), 'untouched\n', name);
    }
  });

  test('archives that are cut short, corrupt or not archives are refused, and leave nothing', async () => {
    const { path: archive } = await buildImage('busybox');
    const whole = readFileSync(archive);
    const flipped = Buffer.from(whole);
    flipped[700_000] = (flipped[700_000] ?? 0) ^ 0xff;
    const list = () => docker().ok('images', '--format', '{{.Repository}}:{{.Tag}} {{.ID}}');
    const images = await list();
    await docker().ok('rmi', '-f', 'busybox:latest', 'busybox:stable', 'busybox:1.35', 'busybox:1.35.0');
    const inputs = {
      'cut.tar': whole.subarray(0, 600_000),
      'flipped.tar': flipped,
      'noise.tar': Buffer.from('not a tar at all'.repeat(100)),
    };
    for (const [name, content] of Object.entries(inputs)) {
      const result = await docker().run(['load', '-q', '-i', engine().file(name, content)]);
      assert.notEqual(result.code, 0, `${name}: ${result.stdout}`);
      assert.equal(await docker().ok('images', '-q', 'busybox'), '', name);
    }
    await engine().load('busybox');
    assert.equal(await list(), images);
  });
});
