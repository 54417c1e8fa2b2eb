import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HostConfig } from '@docker/node-sdk';
import { type CgroupFeatures, cgroupFeatures, cpuCount } from '../linux/index.ts';
import { checkResources } from './resource-checks.ts';

const all = Object.fromEntries(
  Object.keys(cgroupFeatures()).map((key) => [key, true]),
) as unknown as CgroupFeatures;
const none = Object.fromEntries(
  Object.keys(cgroupFeatures()).map((key) => [key, false]),
) as unknown as CgroupFeatures;

const create = (host: HostConfig, features = all) => checkResources(host, { update: false, features });

/** Texts of Debian's dockerd 20.10, or of moby where that words it anew. */
const REFUSED: readonly (readonly [HostConfig, string])[] = [
  [{ Memory: 1000 }, 'Minimum memory limit allowed is 6MB'],
  [{ Memory: -1 }, 'Minimum memory limit allowed is 6MB'],
  [{ MemorySwap: 1e8 }, 'You should always set the Memory limit when using Memoryswap limit, see usage'],
  [
    { Memory: 1e8, MemorySwap: 9e7 },
    'Minimum memoryswap limit should be larger than memory limit, see usage',
  ],
  [
    { Memory: 1e8, MemoryReservation: 2e8 },
    'Minimum memory limit can not be less than memory reservation limit, see usage',
  ],
  [{ MemoryReservation: 1 }, 'Minimum memory reservation allowed is 6MB'],
  [{ MemorySwappiness: 101 }, 'Invalid value: 101, valid memory swappiness range is 0-100'],
  [{ NanoCpus: 1e9, CpuPeriod: 10000 }, 'Conflicting options: Nano CPUs and CPU Period cannot both be set'],
  [{ NanoCpus: 1e9, CpuQuota: 10000 }, 'Conflicting options: Nano CPUs and CPU Quota cannot both be set'],
  [
    { NanoCpus: (cpuCount() + 1) * 1e9 },
    `range of CPUs is from 0.01 to ${cpuCount()}.00, as there are only ${cpuCount()} CPUs available`,
  ],
  [{ CpuPeriod: 1 }, 'CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)'],
  [{ CpuQuota: 1 }, 'CPU cfs quota can not be less than 1ms (i.e. 1000)'],
  [
    { CpuRealtimePeriod: 10, CpuRealtimeRuntime: 1000 },
    'cpu real-time runtime cannot be higher than cpu real-time period',
  ],
  [{ CpusetCpus: 'a' }, 'Invalid value a for cpuset cpus: invalid format: a'],
  [{ CpusetCpus: ' 0' }, 'Invalid value  0 for cpuset cpus: invalid format:  0'],
  [{ CpusetCpus: '0,,1' }, 'Invalid value 0,,1 for cpuset cpus: invalid format: 0,,1'],
  [{ CpusetCpus: '0,3-1' }, 'Invalid value 0,3-1 for cpuset cpus: invalid format: 0,3-1'],
  [{ CpusetMems: '0-' }, 'Invalid value 0- for cpuset mems: invalid format: 0-'],
  [{ BlkioWeight: 5 }, 'Range of blkio weight is from 10 to 1000'],
  [
    { IOMaximumIOps: 5 },
    'Invalid QoS settings: linux does not support Maximum IO Bandwidth or Maximum IO IOps',
  ],
];

test('limits that make no sense are refused in Docker’s words', () => {
  for (const [host, message] of REFUSED) {
    assert.throws(() => create(host), { kind: 'InvalidParameter', message }, JSON.stringify(host));
  }
});

test('processors and memory nodes that this machine lacks are refused', () => {
  assert.throws(() => create({ CpusetCpus: '0,4095' }), {
    message: /^Requested CPUs are not available - requested 0,4095, available: 0/,
  });
  assert.throws(() => create({ CpusetMems: '1023' }), {
    message: /^Requested memory nodes are not available - requested 1023, available: 0/,
  });
  assert.deepEqual(create({ CpusetCpus: '0', CpusetMems: '0' }).warnings, []);
});

test('what the machine lacks is left out, with Docker’s warning', () => {
  const lacks = (what: string, then: string) =>
    `Your kernel does not support ${what} or the cgroup is not mounted. ${then}`;
  const { config, warnings } = create(
    {
      Memory: 1e8,
      MemorySwap: 2e8,
      MemorySwappiness: 10,
      MemoryReservation: 1e7,
      OomKillDisable: true,
      PidsLimit: 5,
      CpuShares: 100,
      CpuPeriod: 10000,
      CpusetCpus: '0',
      BlkioWeight: 5,
      BlkioWeightDevice: [{ Path: '/dev/x', Weight: 10 }],
      BlkioDeviceReadBps: [{ Path: '/dev/x', Rate: 10 }],
      BlkioDeviceWriteIOps: [{ Path: '/dev/x', Rate: 10 }],
      ShmSize: 5,
    },
    none,
  );
  assert.deepEqual(warnings, [
    lacks('memory limit capabilities', 'Limitation discarded.'),
    lacks('memory swappiness capabilities', 'Memory swappiness discarded.'),
    lacks('memory soft limit capabilities', 'Limitation discarded.'),
    'Your kernel does not support OomKillDisable. OomKillDisable discarded.',
    lacks('PIDs limit capabilities', 'PIDs limit discarded.'),
    lacks('CPU shares', 'Shares discarded.'),
    'Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.',
    lacks('cpuset', 'Cpuset discarded.'),
    lacks('Block I/O weight', 'Weight discarded.'),
    lacks('Block I/O weight_device', 'Weight-device discarded.'),
    lacks('BPS Block I/O read limit', 'Block I/O BPS read limit discarded.'),
    lacks('IOPS Block write limit', 'Block I/O IOPS write limit discarded.'),
  ]);
  assert.deepEqual(config, { ShmSize: 5 });
});

test('memory without swap accounting is limited without swap', () => {
  const { config, warnings } = create({ Memory: 1e8 }, { ...all, swapLimit: false });
  assert.deepEqual(config, { Memory: 1e8, MemorySwap: -1 });
  assert.match(warnings[0] ?? '', /Memory limited without swap\.$/);
});

test('an unlimited container without the OOM killer is warned of', () => {
  assert.match(create({ OomKillDisable: true }).warnings[0] ?? '', /^OOM killer is disabled/);
  assert.deepEqual(create({ OomKillDisable: true, Memory: 1e8 }).warnings, []);
  assert.deepEqual(create({ OomKillDisable: false }, none).warnings, []);
});

test('an update may change swap alone, and gets no default for it', () => {
  const update = (host: HostConfig) => checkResources(host, { update: true, features: all }).config;
  assert.deepEqual(update({ MemorySwap: 1e8 }), { MemorySwap: 1e8 });
  assert.deepEqual(update({ Memory: 1e8 }), { Memory: 1e8 });
});
