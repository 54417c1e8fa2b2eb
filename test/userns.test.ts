/** Containers in user namespaces: a daemon with `--userns-remap`, seen from inside the containers and from the machine. */
import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { waitFor } from '../scripts/engine-client.ts';
import { absent } from './harness/clients.ts';
import { ok } from './harness/command.ts';
import { engineName, useEngine } from './harness/engine.ts';
import type { Sandbox } from './harness/sandbox.ts';

const dockerdChowns = engineName === 'dockerd' && 'dockerd keeps files under the ids outside';
const dockerdEnds = engineName === 'dockerd' && 'dockerd ends its containers, or needs --live-restore';

/** /proc/self/uid_map, so many times. */
const map = (uid: number, times: number): RegExp => new RegExp(`^(\\s*0\\s+${uid}\\s+65536\\s*){${times}}$`);

/** The machine's user database is copied on write: the daemon makes its user there. */
const ownEtc = (sandbox: Sandbox) => {
  const [upper, work] = ['etc', 'etc-work'].map((name) => join(sandbox.directory, name));
  for (const dir of [upper, work]) mkdirSync(dir!);
  chmodSync(sandbox.directory, 0o711);
  return sandbox.ok([
    ...['mount', '-t', 'overlay', 'overlay'],
    ...['-o', `lowerdir=/etc,upperdir=${upper},workdir=${work}`, '/etc'],
  ]);
};

describe('user namespaces', { skip: absent('docker-28') }, () => {
  const engine = useEngine({
    images: ['busybox'],
    flags: ['--userns-remap', 'default'],
    prepare: ownEtc,
  });
  const docker = () => engine().cli('docker-28');
  const inBusybox = (flags: string[], script: string) =>
    docker().ok('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);
  /** The first of the daemon's subordinate ids: who root in a container is. */
  const root = async () => {
    const line = /^dockremap:(\d+):(\d+)$/m.exec(await engine().sandbox.ok(['cat', '/etc/subuid']));
    assert.ok(line, 'the daemon has made its user');
    return Number(line[1]);
  };
  const inspect = async (name: string, format: string) => docker().ok('inspect', '-f', format, name);
  afterEach(() => engine().clear());

  test('root in a container is somebody else outside, and its files look like root’s', async () => {
    const uid = await root();
    assert.match(await inBusybox([], 'cat /proc/self/uid_map /proc/self/gid_map'), map(uid, 2));
    assert.equal(
      await inBusybox([], 'stat -c "%u:%g %a" / /etc /etc/hosts /etc/resolv.conf /etc/hostname /tmp /root'),
      ['0:0 755', '0:0 755', '0:0 644', '0:0 644', '0:0 644', '0:0 1777', '0:0 700'].join('\n'),
    );
    await docker().ok('run', '-d', '--name', 'sleeper', '-u', '33:44', 'busybox', 'sleep', '300');
    const pid = await inspect('sleeper', '{{.State.Pid}}');
    const { uid: processUid, gid } = statSync(`/proc/${pid}`);
    assert.deepEqual([processUid, gid], [uid + 33, uid + 44]);
    assert.match(
      await docker().ok('top', 'sleeper', '-eo', 'pid,uid,args'),
      new RegExp(`\\b${uid + 33}\\s+sleep 300`),
    );
    assert.match(await docker().ok('info', '-f', '{{.SecurityOptions}}'), /name=userns/);
  });

  test('what a container writes is kept with the ids it has inside', { skip: dockerdChowns }, async () => {
    await docker().ok(
      ...['run', '--name', 'writer', 'busybox', 'sh', '-c'],
      'echo x > /new; chown 7:8 /new; chmod 600 /etc/passwd; mkdir -p -m 700 /dir; rm -f /etc/group',
    );
    const upper = join(
      ...[engine().sandbox.directory, 'data/snapshots/containers'],
      ...[await inspect('writer', '{{.Id}}'), 'upper'],
    );
    const owner = (path: string) => {
      const { uid, gid } = statSync(join(upper, path));
      return `${uid}:${gid}`;
    };
    assert.deepEqual(['new', 'etc/passwd', 'dir', '.'].map(owner), ['7:8', '0:0', '0:0', '0:0']);
    assert.deepEqual((await docker().ok('diff', 'writer')).split('\n').sort(), [
      'A /dir',
      'A /new',
      'C /etc',
      'C /etc/passwd',
      'D /etc/group',
    ]);
    // It starts again with all that.
    await docker().ok('start', '-a', 'writer');
  });

  test('cp and export speak of the ids inside, whether it runs or not', async () => {
    const host = engine().file('copied', 'copied\n');
    chownSync(host, 0, 0);
    await docker().ok(
      ...['create', '--name', 'copy', '-u', '5:6', '-v', 'copies:/vol', 'busybox', 'sh', '-c'],
      'stat -c %u:%g /early /vol/early; sleep 300',
    );
    await docker().ok('cp', host, 'copy:/early');
    await docker().ok('cp', '-a', host, 'copy:/vol/early');
    await docker().ok('start', 'copy');
    await waitFor('its output', async () => (await docker().ok('logs', 'copy')) === '0:0\n5:6');
    await docker().ok('cp', host, 'copy:/tmp/late');
    await docker().ok(
      'exec',
      '-u',
      '0',
      'copy',
      'sh',
      '-c',
      'mkdir /tmp/dir; echo x > /tmp/dir/own; chown 5:6 /tmp/dir/own; ls /tmp',
    );
    assert.equal(await docker().ok('exec', 'copy', 'stat', '-c', '%u:%g', '/tmp/late'), '0:0');
    const listing = async () => {
      const tar = join(engine().sandbox.directory, 'copy.tar');
      await docker().ok('export', '-o', tar, 'copy');
      const lines = (await ok(['tar', '--numeric-owner', '-tvf', tar])).split('\n');
      return ['early', 'tmp/late', 'tmp/dir/own', 'etc/passwd'].map(
        (name) => lines.find((line) => line.endsWith(` ${name}`))?.split(/\s+/)[1],
      );
    };
    const owners = ['0/0', '0/0', '5/6', '0/0'];
    assert.deepEqual(await listing(), owners);
    await docker().ok('stop', '-t', '0', 'copy');
    assert.deepEqual(await listing(), owners);
    await docker().ok('cp', 'copy:/tmp/dir/own', join(engine().sandbox.directory, 'out'));
    await docker().ok('rm', 'copy');
  });

  test('its namespaces are its own: network, queues, host name, control groups', async () => {
    const script = [
      'ip addr add 10.99.0.1/32 dev lo',
      'hostname other && hostname',
      'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmax /proc/sys/kernel/domainname',
      'ping -c 1 -W 2 127.0.0.1 > /dev/null && echo pong',
      'touch /dev/shm/a /dev/mqueue/q && echo queued',
      'ls /sys/fs/cgroup > /dev/null && echo grouped',
    ].join(' && ');
    const flags = [
      ...['--cap-add', 'NET_ADMIN', '--cap-add', 'SYS_ADMIN', '--domainname', 'example.test'],
      ...['--sysctl', 'net.ipv4.ip_forward=1', '--sysctl', 'kernel.shmmax=65536000'],
    ];
    assert.equal(
      await inBusybox(flags, script),
      ['other', '1', '65536000', 'example.test', 'pong', 'queued', 'grouped'].join('\n'),
    );
  });

  test('its streams can be opened again, by any user; a terminal too', async () => {
    const { stdout, stderr } = await docker().run(
      [
        ...['run', '--rm', '-i', '-u', '1000', 'busybox', 'sh', '-c'],
        'echo out > /dev/stdout; echo err > /dev/stderr; cat /dev/stdin',
      ],
      { input: 'in' },
    );
    assert.deepEqual([stdout, stderr], ['out\nin', 'err\n']);
    const terminal = docker().terminal(
      'run',
      '--rm',
      '-it',
      '-u',
      '1000',
      'busybox',
      'sh',
      '-c',
      'tty; echo hi > /dev/tty',
    );
    assert.match((await terminal.ended).stdout, /\/dev\/pts\/0\s+hi/);
  });

  test('an exec is in the same namespaces', async () => {
    await docker().ok('run', '-d', '--name', 'host', 'busybox', 'sleep', '300');
    assert.match(
      await docker().ok(
        'exec',
        '-u',
        '5:6',
        'host',
        'sh',
        '-c',
        'cat /proc/self/uid_map; id -u; id -g; echo re > /dev/stdout',
      ),
      /^\s*0\s+[1-9]\d+\s+65536\n5\n6\nre$/,
    );
    assert.match(
      await docker().ok('exec', '--privileged', 'host', 'grep', 'CapEff', '/proc/self/status'),
      /1ff|3ff/,
    );
    await docker().fails(1, 'exec', '--privileged', 'host', 'mknod', '/x', 'c', '1', '3');
  });

  test('volumes, tmpfs and devices are usable; a bind mount has the host’s ids', async () => {
    const bind = join(engine().sandbox.directory, 'bind');
    mkdirSync(bind, { recursive: true });
    writeFileSync(join(bind, 'file'), 'host\n', { mode: 0o644 });
    const script = [
      'touch /vol/f && chown 7:8 /vol/f && stat -c %u:%g /vol /vol/f',
      'stat -c %u:%g /bind/file && cat /bind/file',
      'touch /bind/new 2>/dev/null || echo refused',
      'touch /tmpfs/f && stat -c %u:%g /tmpfs/f',
      'head -c 1 /dev/zero | wc -c; echo > /dev/null',
      'stat -c %u:%g /var/spool/mail',
    ].join('; ');
    assert.equal(
      await inBusybox(
        ['-v', 'data:/vol', '-v', `${bind}:/bind`, '--tmpfs', '/tmpfs', '-v', 'spool:/var/spool'],
        script,
      ),
      ['0:0', '7:8', '65534:65534', 'host', 'refused', '0:0', '1', '0:0'].join('\n'),
    );
    // As Docker has it, the container's ids and the host's are different ids; the next container sees its own again.
    assert.equal(await inBusybox(['-v', 'data:/vol:ro'], 'stat -c %u:%g /vol/f'), '7:8');
  });

  test('a volume is the same with and without a user namespace', { skip: dockerdChowns }, async () => {
    await inBusybox(['-v', 'both:/v'], 'touch /v/f; chown 3:4 /v/f');
    assert.equal(
      await inBusybox(['--userns', 'host', '-v', 'both:/v'], 'stat -c %u:%g /v/f; touch /v/g'),
      '3:4',
    );
    assert.equal(
      await inBusybox(
        ['--mount', 'type=volume,src=both,dst=/v'],
        'stat -c %u:%g /v/g && rm /v/g /v/f && ls /v',
      ),
      '0:0',
    );
  });

  test('--userns=host is without one, and the only way to privileges and the host’s namespaces', async () => {
    const all = /^\s*0\s+0\s+4294967295$/;
    assert.match(await inBusybox(['--userns', 'host'], 'cat /proc/self/uid_map'), all);
    assert.match(
      await inBusybox(['--userns', 'host', '--pid', 'host', '--network', 'host'], 'cat /proc/self/uid_map'),
      all,
    );
    for (const [flag, words] of [
      [
        '--privileged',
        /privileged mode is incompatible with user namespaces. {2}You must run the container in the host namespace when running privileged mode/,
      ],
      ['--network=host', /cannot share the host's network namespace when user namespaces are enabled/],
      ['--pid=host', /cannot share the host PID namespace when user namespaces are enabled/],
    ] as const) {
      assert.match(await docker().fails(1, 'create', flag, 'busybox'), words);
    }
    assert.match(
      (
        await docker().run([
          'run',
          '--rm',
          '--userns',
          'host',
          '--privileged',
          'busybox',
          'cat',
          '/proc/self/uid_map',
        ])
      ).stdout,
      /^\s*0\s+0\s+4294967295$/m,
    );
    assert.match(
      await docker().fails(125, 'run', '--userns', 'other', 'busybox'),
      /invalid USER mode|invalid userns mode/i,
    );
  });

  test('containers that share a namespace share the user namespace', async () => {
    await docker().ok(
      ...['run', '-d', '--name', 'donor', '--ipc', 'shareable', 'busybox', 'sh', '-c'],
      'mkdir /www; echo page > /www/index.html; exec httpd -f -p 80 -h /www',
    );
    const own = (await docker().ok('exec', 'donor', 'readlink', '/proc/self/ns/user')).trim();
    assert.equal(
      await inBusybox(
        ['--network', 'container:donor'],
        'until wget -qO- http://127.0.0.1; do usleep 10000; done; readlink /proc/self/ns/user',
      ),
      `page\n${own}`,
    );
    assert.equal(
      await inBusybox(
        ['--pid', 'container:donor', '--ipc', 'container:donor'],
        'readlink /proc/1/ns/user; touch /dev/shm/x && ip -o -4 addr show eth0 | grep -c inet',
      ),
      `${own}\n1`,
    );
    await docker().ok('run', '-d', '--name', 'plain', '--userns', 'host', 'busybox', 'sleep', '300');
    if (engineName === 'wharfd') {
      assert.match(
        await docker().fails(125, 'run', '--rm', '--network', 'container:plain', 'busybox'),
        /cannot join the namespaces of container .*not in a user namespace/,
      );
    }
  });

  test('the daemon is killed and finds its containers again; nothing is left behind', {
    skip: dockerdEnds,
  }, async () => {
    const before = await engine().quiet();
    await docker().ok(
      'run',
      '-d',
      '--name',
      'steady',
      '-v',
      'kept:/kept',
      '-p',
      '8099:80',
      'busybox',
      'sleep',
      '300',
    );
    await docker().ok(
      'run',
      '-d',
      '--name',
      'again',
      '--restart',
      'always',
      'busybox',
      'sh',
      '-c',
      'sleep 0.2; exit 3',
    );
    await engine().signal('SIGKILL');
    await engine().launch();
    assert.equal(await docker().ok('exec', 'steady', 'sh', '-c', 'touch /kept/f && id -u'), '0');
    await waitFor('a restart', async () => Number(await inspect('again', '{{.RestartCount}}')) > 1);
    assert.match(await docker().ok('exec', 'steady', 'cat', '/proc/self/uid_map'), map(await root(), 1));
    await docker().ok('rm', '-f', 'steady', 'again');
    await docker().ok('volume', 'rm', 'kept');
    await engine().settles(before);
  });

  test('many at once', async () => {
    const outs = await Promise.all(Array.from({ length: 8 }, (_, i) => inBusybox([], `id -u; echo ${i}`)));
    assert.deepEqual(
      outs,
      Array.from({ length: 8 }, (_, i) => `0\n${i}`),
    );
  });

  test('the user was made once, with ids of its own', async () => {
    const [passwd, subuid, subgid] = await Promise.all(
      ['passwd', 'subuid', 'subgid'].map((name) => engine().sandbox.ok(['cat', `/etc/${name}`])),
    );
    assert.match(passwd!, /^dockremap:x:\d+:\d+:.*:\/bin\/false$/m);
    for (const text of [subuid!, subgid!]) assert.equal(text.match(/^dockremap:/gm)?.length, 1);
    assert.doesNotMatch(readFileSync('/etc/passwd', 'utf8'), /wharf/);
  });
});
