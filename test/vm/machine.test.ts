/**
 * Wharf where its users have it: Debian with systemd as process 1 and unified control groups, in a virtual machine, from
 * the package. The suites share one machine and go through its life in order; each leaves no container behind.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { cgroupTests } from './cgroups.ts';
import { machineImage } from './image.ts';
import { installTests, removalTests } from './install.ts';
import { Machine } from './machine.ts';
import { makePayload, PAYLOAD } from './payload.ts';
import { rebootTests } from './reboot.ts';
import { serviceTests } from './service.ts';

const LOG = join(import.meta.dirname, '../../.build/test-logs/vm-console.log');

/** Why there can be no machine here; in CI that is a failure. */
function absent(): string | false {
  const programs = ['qemu-system-x86_64', 'mkfs.ext4'];
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/bin'];
  const missing = programs.filter((name) => !directories.some((path) => existsSync(join(path, name))));
  if (missing.length === 0) return false;
  if (process.env.CI === 'true') throw new Error(`not on this machine: ${missing.join(', ')}`);
  return `not on this machine: ${missing.join(', ')} (npm run test:vm installs them)`;
}

describe('a Debian machine with systemd and cgroup v2', { skip: absent() }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'wharf-vm-test-'));
  let machine: Machine | undefined;
  const vm = (): Machine => {
    assert.ok(machine, 'the machine runs only while the tests run');
    return machine;
  };

  before(
    async () => {
      const say = (line: string): void => void process.stderr.write(`vm: ${line}\n`);
      const image = await machineImage(say);
      const payload = join(directory, 'payload.tar');
      say('packing Wharf');
      await makePayload(payload);
      say('booting');
      machine = await Machine.boot({ image, payload, log: LOG });
      say('installing Wharf there');
      await machine.sh(
        `mkdir ${PAYLOAD} && tar -xf /dev/vdb -C ${PAYLOAD} && dpkg -i ${PAYLOAD}/wharf.deb`,
        300,
      );
      await machine.sh(`docker load -qi ${PAYLOAD}/busybox.tar`);
    },
    { timeout: 600_000 },
  );
  after(async () => {
    await machine?.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  afterEach(async (t) => {
    const failed = 'passed' in t && !t.passed;
    if (!failed || machine === undefined) return;
    const { stdout } = await machine.run('journalctl -b --no-pager -n 60; docker ps -a');
    process.stderr.write(`${stdout}\n`);
  });

  describe('installed', () => installTests(vm));
  describe('control groups', () => cgroupTests(vm));
  describe('the service', () => serviceTests(vm));
  describe('over a restart of the machine', () => rebootTests(vm));
  describe('removed', () => removalTests(vm));
  test('nothing failed that the tests did not ask for', async () => {
    assert.equal(await vm().sh('systemctl --failed --no-legend --plain'), '');
  });
});
