/** Containers over a restart of the machine, asked for or not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Machine } from './machine.ts';

const NAMES = ['always', 'unless', 'stopped', 'failed', 'none'];

export function rebootTests(vm: () => Machine): void {
  const states = async (): Promise<string[]> =>
    (await vm().sh(`docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' ${NAMES.join(' ')}`)).split(
      '\n',
    );
  const back = (name: string) =>
    vm().until(`${name} to run`, `[ "$(docker inspect -f '{{.State.Status}}' ${name})" = running ]`);

  test('a shutdown gives containers their stop signal and their time', async () => {
    const serve = `busybox sh -c 'trap "echo asked; exit 5" TERM; echo up; while :; do sleep 0.1; done'`;
    await vm().sh(`docker run -d --name always --restart always ${serve}
      docker run -d --name unless --restart unless-stopped ${serve}
      docker run -d --name stopped --restart unless-stopped ${serve}
      docker run -d --name failed --restart on-failure ${serve}
      docker run -d --name none ${serve}
      docker stop stopped`);
    await vm().reboot();
    await back('always');
    await back('unless');
    await back('failed'); // 5 is a failure
    assert.deepEqual((await states()).slice(2, 3), ['exited 5']);
    assert.deepEqual((await states()).slice(4), ['exited 5']);
    assert.equal(await vm().sh('docker logs always'), 'up\nasked\nup');
  });

  test('so does a machine that lost its power, as far as it can', async () => {
    await vm().crash();
    await back('always');
    await back('unless');
    const [, , stopped, , none] = await states();
    assert.equal(stopped, 'exited 5');
    assert.match(none ?? '', /^exited/);
    await vm().sh(`docker rm -f ${NAMES.join(' ')}`);
  });

  test('nothing of the containers is left', async () => {
    assert.equal(await vm().sh('ls -d /sys/fs/cgroup/system.slice/wharf-*.scope 2>/dev/null || true'), '');
    assert.equal(await vm().sh('ls /run/wharf/containers /run/wharf/netns | grep -v : || true'), '');
    assert.equal(await vm().sh('grep -c /run/wharf/ /proc/self/mountinfo || true'), '0');
    assert.equal(await vm().sh('pgrep wharf-shim || true'), '');
  });
}
