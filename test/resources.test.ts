/** Limits: what was asked for at creation and by update, seen in the kernel's files from inside the container. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { cpus } from 'node:os';
import { afterEach, describe, test } from 'node:test';
import { waitFor } from '../scripts/engine-client.ts';
import { engineName, useEngine } from './harness/engine.ts';

const own = engineName === 'dockerd' && 'about wharfd';
const unified = existsSync('/sys/fs/cgroup/cgroup.controllers');
/** A block device there is, for throttles. */
const disk = readdirSync('/sys/block').find((name) => /^(vd|sd|nvme|xvd)/.test(name));
const major = disk ? statSync(`/dev/${disk}`).rdev : 0;
const number = `${major >> 8}:${major & 0xff}`;

interface Case {
  readonly flags: readonly string[];
  /** File below /sys/fs/cgroup inside, and what it holds. */
  readonly v1: readonly [string, string | RegExp];
  readonly v2: readonly [string, string | RegExp];
  readonly needs?: boolean;
}

const has = (file: string): boolean => existsSync(`/sys/fs/cgroup/${file}`);
const CASES: Readonly<Record<string, Case>> = {
  Memory: {
    flags: ['--memory', '64m'],
    v1: ['memory/memory.limit_in_bytes', '67108864'],
    v2: ['memory.max', '67108864'],
  },
  MemorySwap: {
    flags: ['--memory', '64m', '--memory-swap', '96m'],
    v1: ['memory/memory.memsw.limit_in_bytes', '100663296'],
    v2: ['memory.swap.max', '33554432'],
    needs: unified || has('memory/memory.memsw.limit_in_bytes'),
  },
  MemoryReservation: {
    flags: ['--memory-reservation', '32m'],
    v1: ['memory/memory.soft_limit_in_bytes', '33554432'],
    v2: ['memory.low', '33554432'],
  },
  MemorySwappiness: {
    flags: ['--memory-swappiness', '10'],
    v1: ['memory/memory.swappiness', '10'],
    v2: ['memory.max', 'max'],
  },
  CpuShares: {
    flags: ['--cpu-shares', '512'],
    v1: ['cpu/cpu.shares', '512'],
    v2: ['cpu.weight', /^(20|59)$/],
  },
  CpuQuota: {
    flags: ['--cpu-period', '50000', '--cpu-quota', '25000'],
    v1: ['cpu/cpu.cfs_quota_us', '25000'],
    v2: ['cpu.max', '25000 50000'],
  },
  CpuPeriod: {
    flags: ['--cpu-period', '50000', '--cpu-quota', '25000'],
    v1: ['cpu/cpu.cfs_period_us', '50000'],
    v2: ['cpu.max', '25000 50000'],
  },
  NanoCpus: {
    flags: ['--cpus', '0.5'],
    v1: ['cpu/cpu.cfs_quota_us', '50000'],
    v2: ['cpu.max', '50000 100000'],
  },
  CpusetCpus: { flags: ['--cpuset-cpus', '0'], v1: ['cpuset/cpuset.cpus', '0'], v2: ['cpuset.cpus', '0'] },
  CpusetMems: { flags: ['--cpuset-mems', '0'], v1: ['cpuset/cpuset.mems', '0'], v2: ['cpuset.mems', '0'] },
  PidsLimit: { flags: ['--pids-limit', '50'], v1: ['pids/pids.max', '50'], v2: ['pids.max', '50'] },
  BlkioWeight: {
    flags: ['--blkio-weight', '300'],
    v1: ['blkio/blkio.weight', '300'],
    v2: ['io.weight', /300|default/],
    needs: unified ? has('io.weight') : has('blkio/blkio.weight'),
  },
  ...Object.fromEntries(
    (
      [
        ['BlkioDeviceReadBps', '--device-read-bps', '1mb', 'read_bps', '1048576', 'rbps=1048576'],
        ['BlkioDeviceWriteBps', '--device-write-bps', '2mb', 'write_bps', '2097152', 'wbps=2097152'],
        ['BlkioDeviceReadIOps', '--device-read-iops', '30', 'read_iops', '30', 'riops=30'],
        ['BlkioDeviceWriteIOps', '--device-write-iops', '40', 'write_iops', '40', 'wiops=40'],
      ] as const
    ).map(([field, flag, asked, file, v1, v2]): [string, Case] => [
      field,
      {
        flags: [flag, `/dev/${disk}:${asked}`],
        v1: [`blkio/blkio.throttle.${file}_device`, `${number} ${v1}`],
        v2: ['io.max', new RegExp(`^${number} .*${v2}`)],
        needs: disk !== undefined && (unified || has(`blkio/blkio.throttle.${file}_device`)),
      },
    ]),
  ),
};

describe('limits', () => {
  const engine = useEngine({ images: ['busybox'] });
  const docker = () => engine().cli('docker-28');
  afterEach(() => engine().clear());
  const inside = async (flags: readonly string[], script: string) =>
    docker().ok('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);
  const matches = (actual: string, expected: string | RegExp, what: string): void =>
    typeof expected === 'string'
      ? assert.equal(actual, expected, what)
      : assert.match(actual, expected, what);

  for (const [field, { flags, v1, v2, needs }] of Object.entries(CASES)) {
    test(`${field}: ${flags.join(' ')}`, {
      skip: needs === false && 'this machine’s control groups lack it',
    }, async () => {
      const [file, expected] = unified ? v2 : v1;
      matches(await inside(flags, `cat /sys/fs/cgroup/${file}`), expected, file);
    });
  }

  test('OomScoreAdj, Ulimits, OomKillDisable', async () => {
    const script = 'cat /proc/self/oom_score_adj; ulimit -n; ulimit -Hn; ulimit -c';
    const flags = ['--oom-score-adj', '400', '--ulimit', 'nofile=100:200', '--ulimit', 'core=0'];
    assert.equal(await inside(flags, script), '400\n100\n200\n0');
    const disabled = await docker().run([
      ...['run', '--rm', '--oom-kill-disable', '-m', '50m', 'busybox', 'sh', '-c'],
      unified ? 'echo oom_kill_disable 1' : 'cat /sys/fs/cgroup/memory/memory.oom_control',
    ]);
    assert.match(disabled.stdout, /oom_kill_disable 1/);
  });

  test('CgroupParent: the group is below the one named', { skip: own }, async () => {
    const parent = `/wharf-e2e-parent-${process.pid}`;
    const id = await docker().ok('run', '-d', '--cgroup-parent', parent, 'busybox', 'sleep', '1000');
    const pid = await docker().ok('inspect', '-f', '{{.State.Pid}}', id);
    const groups = await engine().sandbox.ok(['cat', `/proc/${pid}/cgroup`]);
    assert.match(groups, new RegExp(`:${parent}/${id}$`, 'm'));
    await docker().ok('rm', '-f', id);
    const shell = (script: string) => engine().sandbox.ok(['sh', '-c', script]);
    await waitFor(
      'the group to be gone',
      async () => (await shell(`find /sys/fs/cgroup -path '*${parent}/${id}'`)) === '',
    );
    await shell(`rmdir /sys/fs/cgroup/*${parent} /sys/fs/cgroup${parent} 2>/dev/null; true`);
  });

  test('update: on a running container at once, on a stopped one at its next start', async () => {
    const file = (name: string, unifiedName: string) => `/sys/fs/cgroup/${unified ? unifiedName : name}`;
    await docker().ok(
      'run',
      '-d',
      '--name',
      'up',
      '-m',
      '64m',
      '--memory-swap',
      '64m',
      'busybox',
      'sleep',
      '1000',
    );
    const look = () =>
      docker().ok(
        ...['exec', 'up', 'cat', file('memory/memory.limit_in_bytes', 'memory.max')],
        file('pids/pids.max', 'pids.max'),
        file('cpu/cpu.shares', 'cpu.weight'),
      );
    // Both limits at once, up and down: the kernel takes them only in the right order.
    await docker().ok(
      'update',
      '--memory',
      '128m',
      '--memory-swap',
      '256m',
      '--pids-limit',
      '77',
      '-c',
      '2048',
      'up',
    );
    assert.match(await look(), /^134217728\n77\n(2048|79|193|2\d\d)$/);
    await docker().ok('update', '--memory', '32m', '--memory-swap', '32m', 'up');
    assert.match(await look(), /^33554432\n77\n/);
    await docker().ok('stop', '-t', '0', 'up');
    await docker().ok('update', '--memory', '48m', '--memory-swap', '48m', '--restart', 'on-failure:4', 'up');
    await docker().ok('start', 'up');
    assert.match(await look(), /^50331648\n/);
    const inspect =
      '{{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}';
    assert.equal(await docker().ok('inspect', '-f', inspect, 'up'), '50331648 on-failure 4');
    assert.match(
      await docker().fails(1, 'update', '--memory', '1m', 'up'),
      /Minimum memory limit allowed is 6MB/,
    );
    assert.match(
      await docker().fails(1, 'update', '--memory', '128m', 'up'),
      /Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time/,
    );
    assert.match(
      await docker().fails(1, 'update', '--cpus', `${cpus().length + 1}`, 'up'),
      /range of CPUs is from 0.01 to/i,
    );
  });

  test('stats: a sample, a stream, of several, of what is stopped', async () => {
    await docker().ok(
      'run',
      '-d',
      '--name',
      'busy',
      '-m',
      '64m',
      'busybox',
      'sh',
      '-c',
      'while :; do :; done',
    );
    await docker().ok('create', '--name', 'idle', 'busybox');
    const format = '{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.PIDs}}';
    const line = await docker().ok('stats', '--no-stream', '--format', format, 'busy');
    assert.match(line, /^busy [\d.]+% [\d.]+[KM]iB \/ 64MiB 1$/);
    assert.ok(Number(/ ([\d.]+)%/.exec(line)?.[1]) > 5, line);
    const all = await docker().ok('stats', '--no-stream', '-a', '--format', format);
    assert.match(all, /^idle 0\.00% 0B \/ 0B 0$/m);
    const stream = docker().start('stats', '--format', '{{.Name}} {{.NetIO}}', 'busy');
    await stream.prints(/busy [\d.]+k?B \/ [\d.]+k?B[\s\S]*busy /);
    stream.child.kill('SIGKILL');
    await stream.ended;
    const { networks, blkio_stats, precpu_stats } = await engine().client.json<{
      networks: Record<string, { rx_bytes: number }>;
      blkio_stats: object;
      precpu_stats: { cpu_usage: { total_usage: number } };
    }>('GET', '/containers/busy/stats?stream=0');
    assert.deepEqual(Object.keys(networks), ['eth0']);
    assert.ok('io_service_bytes_recursive' in blkio_stats);
    assert.ok(precpu_stats.cpu_usage.total_usage > 0);
  });

  test('out of memory: the event at the time, the state after', async () => {
    const events = docker().start(
      'events',
      '--filter',
      'event=oom',
      '--format',
      '{{.Action}} {{.Actor.Attributes.name}}',
    );
    await docker().ok(
      'run',
      '-d',
      '--name',
      'child',
      '-m',
      '10m',
      '--memory-swap',
      '10m',
      'busybox',
      'sh',
      '-c',
      'tail /dev/zero; sleep 1000',
    );
    await events.prints(/oom child/);
    assert.equal(await docker().ok('inspect', '-f', '{{.State.Status}}', 'child'), 'running');
    events.child.kill('SIGKILL');
    await events.ended;
    await docker().run([
      'run',
      '--name',
      'first',
      '-m',
      '10m',
      '--memory-swap',
      '10m',
      'busybox',
      'tail',
      '/dev/zero',
    ]);
    assert.equal(
      await docker().ok('inspect', '-f', '{{.State.OOMKilled}} {{.State.ExitCode}}', 'first'),
      'true 137',
    );
  });
});
