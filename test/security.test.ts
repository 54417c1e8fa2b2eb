/** How a container is confined, seen from inside: capabilities, seccomp, privileges, paths, sysctls, namespaces. */
import assert from 'node:assert/strict';
import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { afterEach, describe, test } from 'node:test';
import { absent } from './harness/clients.ts';
import { type Cli, engineName, useEngine } from './harness/engine.ts';

const onDockerd = engineName === 'dockerd';

/** Bits of /proc/PID/status, as far as this machine grants them at all. */
const BITS = { CHOWN: 0, KILL: 5, NET_BIND_SERVICE: 10, NET_ADMIN: 12, NET_RAW: 13, SYS_ADMIN: 21 } as const;
const has = (status: string, field: string, name: keyof typeof BITS): boolean => {
  const hex = new RegExp(`^${field}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1];
  assert.ok(hex, `${field} in ${status}`);
  return ((BigInt(`0x${hex}`) >> BigInt(BITS[name])) & 1n) === 1n;
};
const mask = (status: string, field: string): bigint =>
  BigInt(`0x${new RegExp(`^${field}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1]}`);

describe('confinement', { skip: absent('docker-28') }, () => {
  const engine = useEngine({ images: ['busybox'] });
  const docker = () => engine().cli('docker-28');
  /** What a script prints in a container with these flags; warnings of the client are not in it. */
  const inside = async (flags: string[], script: string, cli: Cli = docker()) => {
    const { code, stdout, stderr } = await cli.run([
      'run',
      '--rm',
      ...flags,
      'busybox',
      'sh',
      '-c',
      `(${script}) 2>&1`,
    ]);
    assert.equal(code, 0, `${flags.join(' ')}: ${stdout}${stderr}`);
    return stdout.trim();
  };
  const status = (flags: string[]) => inside(flags, 'cat /proc/self/status');
  const refused = async (flags: string[], words: RegExp, code = 125) =>
    assert.match(await docker().fails(code, 'run', '--rm', ...flags, 'busybox', 'true'), words);
  afterEach(() => engine().clear());

  describe('capabilities', () => {
    test('Docker’s fourteen, no more', async () => {
      assert.equal(mask(await status([]), 'CapBnd'), 0xa80425fbn);
    });

    test('by name in any case, with CAP_ or without', async () => {
      const text = await status([
        '--cap-add',
        'net_admin',
        '--cap-add',
        'Cap_Sys_Admin',
        '--cap-drop',
        'CAP_chown',
      ]);
      assert.deepEqual(
        (['NET_ADMIN', 'SYS_ADMIN', 'CHOWN', 'KILL'] as const).map((name) => has(text, 'CapEff', name)),
        [true, true, false, true],
      );
    });

    test('ALL dropped and some added, and the other way round', async () => {
      assert.equal(mask(await status(['--cap-drop', 'ALL']), 'CapBnd'), 0n);
      assert.equal(mask(await status(['--cap-drop', 'all', '--cap-add', 'KILL']), 'CapBnd'), 1n << 5n);
      const text = await status(['--cap-add', 'ALL', '--cap-drop', 'NET_ADMIN']);
      assert.deepEqual([has(text, 'CapBnd', 'NET_ADMIN'), has(text, 'CapBnd', 'SYS_ADMIN')], [false, true]);
    });

    test('another user than root has none effective', async () => {
      const text = await status(['-u', '1000', '--cap-add', 'NET_ADMIN']);
      assert.deepEqual(
        [mask(text, 'CapEff'), mask(text, 'CapPrm'), has(text, 'CapBnd', 'NET_ADMIN')],
        [0n, 0n, true],
      );
    });

    test('privileged: what the machine has, and a warning of what it has not', {
      skip: onDockerd && 'CAP_SYS_RESOURCE',
    }, async () => {
      const { stdout, stderr } = await docker().run([
        ...['run', '--rm', '--privileged', 'busybox', 'sh', '-c'],
        'cat /proc/self/status; ls /dev | wc -l; mount | grep -c " /sys .*ro"; touch /proc/sys/kernel/domainname && echo writable',
      ]);
      const own = mask(await engine().sandbox.ok(['cat', '/proc/self/status']), 'CapBnd');
      assert.equal(mask(stdout, 'CapEff'), own);
      assert.match(stdout, /Seccomp:\s+0[\s\S]*\n0\nwritable\n$/);
      assert.equal(/cannot grant CAP_SYS_RESOURCE/.test(stderr), ((own >> 24n) & 1n) === 0n);
    });

    test('an unknown one is refused', async () => {
      await refused(['--cap-add', 'nonsense'], /invalid CapAdd: unknown capability: "CAP_NONSENSE"/);
      await refused(['--cap-drop', 'nonsense'], /invalid CapDrop: unknown capability: "CAP_NONSENSE"/);
    });
  });

  describe('seccomp', () => {
    const profile = (syscalls: object[], more: object = {}) =>
      `seccomp=${engine().file(`profile-${count++}.json`, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls, ...more }))}`;
    let count = 0;
    const MKDIR = { names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 28 };
    const ANSWER = /No space left on device/;
    const mkdir = (option: string, flags: string[] = [], mode = '755') =>
      inside([...flags, '--security-opt', option], `mkdir -m ${mode} /made; echo $?`);

    test('the default filter, none, and the built-in one by name', async () => {
      const seccomp = (flags: string[]) => inside(flags, 'grep "^Seccomp:" /proc/self/status');
      assert.match(await seccomp([]), /2$/);
      assert.match(await seccomp(['--security-opt', 'seccomp=unconfined']), /0$/);
      assert.match(await seccomp(['--security-opt', 'seccomp=builtin']), /2$/);
      assert.match(await inside([], 'unshare -m true; echo $?'), /not permitted\n1$/i);
      assert.match(await inside(['--cap-add', 'SYS_ADMIN'], 'unshare -m true; echo $?'), /^0$/);
      assert.match(
        await inside(['--privileged', '--security-opt', profile([MKDIR])], 'mkdir /x; echo $?'),
        ANSWER,
      );
    });

    test('a profile file with errno, conditions and arguments', async () => {
      assert.match(await mkdir(profile([MKDIR])), ANSWER);
      const arch = process.arch === 'arm64' ? 'arm64' : 'amd64';
      for (const [holds, condition] of [
        [true, { includes: { caps: ['CAP_CHOWN'] } }],
        [false, { includes: { caps: ['CAP_SYS_ADMIN'] } }],
        [false, { excludes: { caps: ['CAP_CHOWN'] } }],
        [true, { includes: { arches: [arch], minKernel: '4.8' } }],
        [false, { excludes: { arches: [arch] } }],
        [false, { includes: { minKernel: '99.0' } }],
        [true, { excludes: { minKernel: '99.0' } }],
      ] as const) {
        assert.equal(
          ANSWER.test(await mkdir(profile([{ ...MKDIR, ...condition }]))),
          holds,
          JSON.stringify(condition),
        );
      }
      // The mode of chmod(path, mode) and fchmodat(directory, path, mode): 0.
      const argument = (op: string, value: number, valueTwo?: number) =>
        profile(
          ['chmod', 'fchmodat', 'fchmodat2'].map((name) => ({
            names: [name],
            action: 'SCMP_ACT_ERRNO',
            errnoRet: 28,
            args: [{ index: name === 'chmod' ? 1 : 2, value, valueTwo, op }],
          })),
        );
      const refuses = async (option: string) =>
        ANSWER.test(await inside(['--security-opt', option], 'touch /tmp/f; chmod 0 /tmp/f || true'));
      for (const [op, value, two, holds] of [
        ['SCMP_CMP_EQ', 0, undefined, true],
        ['SCMP_CMP_NE', 0, undefined, false],
        ['SCMP_CMP_LT', 1, undefined, true],
        ['SCMP_CMP_GE', 1, undefined, false],
        ['SCMP_CMP_LE', 0, undefined, true],
        ['SCMP_CMP_GT', 0, undefined, false],
        ['SCMP_CMP_MASKED_EQ', 8, 0, true],
      ] as const) {
        assert.equal(await refuses(argument(op, value, two)), holds, op);
      }
    });

    test('actions: kill, trap, log, trace', async () => {
      const code = async (action: string) =>
        (
          await inside(
            ['--security-opt', profile([{ ...MKDIR, action, errnoRet: undefined }])],
            'sh -c "mkdir /made; exit 7"; echo $?',
          )
        )
          .split('\n')
          .at(-1);
      assert.deepEqual(
        await Promise.all(
          ['KILL_PROCESS', 'KILL', 'TRAP', 'LOG', 'ALLOW'].map((name) => code(`SCMP_ACT_${name}`)),
        ),
        ['7', '7', '7', '7', '7'],
      );
      const last = async (action: string) =>
        (
          await inside(
            ['--security-opt', profile([{ ...MKDIR, action, errnoRet: undefined }])],
            'mkdir /made; echo $?',
          )
        )
          .split('\n')
          .at(-1);
      assert.deepEqual(
        await Promise.all(['KILL_PROCESS', 'TRAP', 'LOG', 'TRACE'].map((name) => last(`SCMP_ACT_${name}`))),
        ['159', '159', '0', '1'],
      );
    });

    test('a broken profile is told, and what needs a listener that is not named', async () => {
      const broken = (option: string, words: RegExp) => refused(['--security-opt', option], words);
      await broken(
        `seccomp=${engine().file('broken.json', '{ "x"')}`,
        /(Decoding|compacting json for) seccomp profile/,
      );
      await broken(
        profile([{ ...MKDIR, name: 'mkdir' }]),
        /both 'name' and 'names' are specified in the seccomp profile/,
      );
      await broken(
        profile([MKDIR], {
          architectures: ['SCMP_ARCH_X86'],
          archMap: [{ architecture: 'SCMP_ARCH_X86_64' }],
        }),
        /both 'architectures' and 'archMap' are specified in the seccomp profile/,
      );
      await broken(
        profile([{ ...MKDIR, action: 'SCMP_ACT_SMILE' }]),
        /string SCMP_ACT_SMILE is not a valid action for seccomp/,
      );
      await broken(
        profile([{ ...MKDIR, args: [{ index: 0, op: 'SCMP_CMP_SMILE' }] }]),
        /string SCMP_CMP_SMILE is not a valid operator for seccomp/,
      );
      await broken(
        profile([{ ...MKDIR, args: [{ index: 6, op: 'SCMP_CMP_EQ' }] }]),
        /syscalls only have up to 6 arguments \(6 given\)/,
      );
      await broken(
        profile([{ ...MKDIR, action: 'SCMP_ACT_NOTIFY', errnoRet: undefined }]),
        /listenerPath is not set/,
      );
    });
  });

  describe('security options', () => {
    test('no-new-privileges', async () => {
      const bit = async (flags: string[]) => /NoNewPrivs:\s+(\d)/.exec(await status(flags))?.[1];
      assert.deepEqual(
        await Promise.all(
          ['no-new-privileges', 'no-new-privileges:true', 'no-new-privileges=false'].map((o) =>
            bit(['--security-opt', o]),
          ),
        ),
        ['1', '1', '0'],
      );
      assert.equal(await bit([]), '0');
    });

    test('what the machine has no module for is taken', async () => {
      for (const option of [
        'apparmor=unconfined',
        'apparmor=docker-default',
        'label=disable',
        'label=type:svirt_t',
        'label:disable',
      ]) {
        assert.equal(await inside(['--security-opt', option], 'echo ran'), 'ran', option);
      }
    });

    test('an unknown one is refused', async () => {
      await refused(['--security-opt', 'nonsense=1'], /invalid --security-opt 2: "nonsense=1"/);
      await refused(
        ['--security-opt', 'no-new-privileges=perhaps'],
        /invalid --security-opt 2: "no-new-privileges=perhaps"/,
      );
      const body = { Image: 'busybox', HostConfig: { SecurityOpt: ['nonsense'] } };
      const answer = await engine().client.request('POST', '/containers/create', { body });
      assert.match(answer.body, /invalid --security-opt 1: \\"nonsense\\"/);
    });

    test('writable-cgroups', async () => {
      const script =
        'd=/sys/fs/cgroup; [ -d $d/memory ] && d=$d/memory; mkdir $d/sub && rmdir $d/sub && echo made';
      assert.match(await inside(['--security-opt', 'writable-cgroups=true'], script), /^made$/);
      assert.match(await inside([], `${script} || true`), /Read-only file system/);
      assert.match(
        await inside(['--privileged', '--security-opt', 'writable-cgroups=false'], `${script} || true`),
        /Read-only file system/,
      );
    });
  });

  describe('paths', () => {
    test('masked and read-only ones, as Docker’s, none, and one’s own', async () => {
      const look =
        'wc -c < /proc/keys; ls /sys/firmware | wc -l; touch /proc/sys/kernel/domainname && echo writable || true';
      assert.match(await inside([], look), /^0\n0\n.*Read-only file system$/);
      assert.match(await inside(['--security-opt', 'systempaths=unconfined'], look), /^\d+\n\d+\nwritable$/);
      const body = {
        Image: 'busybox',
        Cmd: ['sh', '-c', 'wc -c < /etc/passwd; ls /root | wc -l; touch /tmp/x; touch /var/x && echo ok'],
        HostConfig: { MaskedPaths: ['/etc/passwd', '/root', '/none'], ReadonlyPaths: ['/tmp'] },
      };
      const { Id } = await engine().client.json<{ Id: string }>('POST', '/containers/create', { body });
      const { stdout, stderr } = await docker().run(['start', '-a', Id]);
      assert.deepEqual([stdout, stderr], ['0\n0\nok\n', 'touch: /tmp/x: Read-only file system\n']);
    });

    test('a read-only root leaves what is mounted to be written', async () => {
      assert.equal(
        await inside(
          ['--read-only', '--tmpfs', '/run', '-v', 'data:/data'],
          'for f in /x /etc/hosts /tmp/x; do touch $f; done; touch /run/x /data/x /dev/shm/x /dev/x && echo written',
        ),
        ['/x', '/etc/hosts', '/tmp/x'].map((f) => `touch: ${f}: Read-only file system\n`).join('') +
          'written',
      );
    });
  });

  describe('sysctls', () => {
    const read = (flags: string[], ...names: string[]) =>
      inside(flags, `cat ${names.map((name) => `/proc/sys/${name.replaceAll('.', '/')}`).join(' ')}`);

    test('those of the container’s namespaces are set', async () => {
      assert.equal(
        await read(
          [
            ...['--sysctl', 'net.ipv4.ip_forward=0', '--sysctl', 'net.core.somaxconn=77'],
            ...['--sysctl', 'kernel.shmmax=65536', '--sysctl', 'fs.mqueue.msg_max=5'],
          ],
          ...['net.ipv4.ip_forward', 'net.core.somaxconn', 'kernel.shmmax', 'fs.mqueue.msg_max'],
        ),
        '0\n77\n65536\n5',
      );
      assert.equal(
        await read([], 'net.ipv4.ip_unprivileged_port_start', 'net.ipv4.ping_group_range'),
        '0\n0\t2147483647',
      );
    });

    test('those of the machine are refused', async () => {
      for (const [Sysctls, modes, words] of [
        [{ 'vm.swappiness': '1' }, {}, 'sysctl "vm.swappiness" is not in a separate kernel namespace'],
        [
          { 'kernel.hostname': 'x' },
          {},
          'sysctl "kernel.hostname" is not allowed as it conflicts with the OCI "hostname" field',
        ],
        [
          { 'net.ipv4.ip_forward': '1' },
          { NetworkMode: 'host' },
          'sysctl "net.ipv4.ip_forward" not allowed in host network namespace',
        ],
        [
          { 'kernel.shmmax': '1' },
          { IpcMode: 'host' },
          'sysctl "kernel.shmmax" is not allowed in the hosts ipc namespace',
        ],
        [
          { 'fs.mqueue.msg_max': '1' },
          { IpcMode: 'host' },
          'sysctl "fs.mqueue.msg_max" is not allowed in the hosts ipc namespace',
        ],
        [
          { 'kernel.domainname': 'x' },
          { UTSMode: 'host' },
          'sysctl "kernel.domainname" is not in a separate kernel namespace',
        ],
      ] as const) {
        const body = { Image: 'busybox', Cmd: ['true'], HostConfig: { Sysctls, ...modes } };
        let answer = await engine().client.request('POST', '/containers/create', { body });
        // Docker finds out at the start.
        const { Id } = JSON.parse(answer.body) as { Id?: string };
        if (Id !== undefined) answer = await engine().client.request('POST', `/containers/${Id}/start`);
        assert.ok(answer.status >= 400, words);
        assert.ok((JSON.parse(answer.body) as { message: string }).message.includes(words), answer.body);
      }
    });
  });

  describe('namespaces', () => {
    const ns = (kind: string, flags: string[]) => inside(flags, `readlink /proc/self/ns/${kind}`);
    const own = (kind: string) => readlinkSync(`/proc/self/ns/${kind}`);

    test('the machine’s, where asked for', async () => {
      assert.equal(await ns('ipc', ['--ipc', 'host']), own('ipc'));
      assert.equal(await ns('uts', ['--uts', 'host']), own('uts'));
      assert.equal(await ns('pid', ['--pid', 'host']), own('pid'));
      assert.equal(await inside(['--uts', 'host'], 'hostname'), hostname());
      for (const kind of ['ipc', 'uts', 'pid', 'net', 'mnt'])
        assert.notEqual(await ns(kind, []), own(kind), kind);
    });

    test('of control groups: private and host', async () => {
      assert.equal(await ns('cgroup', ['--cgroupns', 'host']), own('cgroup'));
      assert.notEqual(await ns('cgroup', ['--cgroupns', 'private']), own('cgroup'));
      assert.match(await inside(['--cgroupns', 'private'], 'cat /proc/self/cgroup'), /^(\d+:[^:]*:\/\n?)+$/);
    });

    test('IPC: none has no /dev/shm, a private one cannot be joined, a shareable one can', async () => {
      assert.match(await inside(['--ipc', 'none'], 'mount | grep -c " /dev/shm " || true'), /^0$/);
      for (const mode of ['private', 'shareable'])
        await docker().ok(
          'run',
          '-d',
          '--name',
          mode,
          '--ipc',
          mode,
          '--shm-size',
          '1m',
          'busybox',
          'sh',
          '-c',
          'echo kept > /dev/shm/f; sleep 300',
        );
      await docker().ok('exec', 'shareable', 'sh', '-c', 'until [ -s /dev/shm/f ]; do usleep 10000; done');
      assert.match(
        await inside(['--ipc', 'container:shareable'], 'cat /dev/shm/f; df -k /dev/shm | tail -1'),
        /^kept\n\S+\s+1024 /,
      );
      assert.equal(
        await ns('ipc', ['--ipc', 'container:shareable']),
        await docker().ok('exec', 'shareable', 'readlink', '/proc/self/ns/ipc'),
      );
      await refused(
        ['--ipc', 'container:private'],
        /failed to join IPC namespace: container [0-9a-f]{64}: non-shareable IPC \(hint: use IpcMode:shareable for the donor container\)/,
      );
    });

    test('processes of another container are seen; who does not run or exist cannot be joined', async () => {
      await docker().ok('run', '-d', '--name', 'donor', 'busybox', 'sleep', '321');
      assert.match(await inside(['--pid', 'container:donor'], 'ps'), /\b1 root\s+sleep 321/);
      await docker().ok('stop', '-t', '0', 'donor');
      await refused(
        ['--pid', 'container:donor'],
        /failed to join PID namespace: container [0-9a-f]{64} is not running/,
      );
      await refused(
        ['--ipc', 'container:donor'],
        /failed to join IPC namespace: container [0-9a-f]{64} is not running/,
      );
      await refused(
        ['--network', 'container:donor'],
        /cannot join network namespace of a non running container: container donor is exited/,
      );
      await refused(['--pid', 'container:nobody'], /No such container: nobody/);
      await refused(['--uts', 'container:donor'], /invalid UTS mode/i);
    });
  });
});

describe('a daemon’s own defaults', {
  skip: absent('docker-28') || (onDockerd && 'one engine is enough'),
}, () => {
  const engine = useEngine({
    images: ['busybox'],
    flags: ['--no-new-privileges', '--seccomp-profile', 'unconfined'],
  });
  const docker = () => engine().cli('docker-28');

  test('hold for containers that say nothing else', async () => {
    const look = (...flags: string[]) =>
      docker().ok(
        'run',
        '--rm',
        ...flags,
        'busybox',
        'sh',
        '-c',
        'grep -E "^(NoNewPrivs|Seccomp):" /proc/self/status',
      );
    assert.equal(await look(), 'NoNewPrivs:\t1\nSeccomp:\t0');
    assert.equal(
      await look('--security-opt', 'no-new-privileges=false', '--security-opt', 'seccomp=builtin'),
      'NoNewPrivs:\t0\nSeccomp:\t2',
    );
    const info = await docker().run(['info', '-f', '{{.SecurityOptions}} {{.Warnings}}']);
    assert.match(info.stdout, /name=seccomp,profile=unconfined/);
    assert.match(info.stdout, /name=no-new-privileges/);
    assert.match(info.stdout, /WARNING: daemon is not using the default seccomp profile/);
  });
});
