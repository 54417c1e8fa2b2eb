/** The unit: what a restart, a kill and a stop of it do to containers, and what it takes over on reload. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Machine } from './machine.ts';

/** Counts up in its log, so that a gap would show. */
const COUNTER = `docker run -d --name counter busybox sh -c 'trap "exit 9" TERM; i=0; while sleep 0.2; do echo $((i=i+1)); done'`;

export function serviceTests(vm: () => Machine): void {
  const pid = () => vm().sh(`docker inspect -f '{{.State.Pid}} {{.State.Status}}' counter`);
  const settings = (json: string) => vm().sh(`echo '${json}' >/etc/wharf/daemon.json`);
  let before = '';

  test('monitors are in a unit of their own', async () => {
    await vm().sh(COUNTER);
    before = await pid();
    const members = async (unit: string) =>
      (
        await vm().sh(`cat /sys/fs/cgroup/system.slice/${unit}/cgroup.procs | xargs -n1 -I% cat /proc/%/comm`)
      ).split('\n');
    assert.deepEqual((await members('wharf-shims.service')).sort(), ['sleep', 'wharf-shim']);
    assert.equal((await members('wharf.service')).length, 1);
  });

  test('restarting the unit leaves containers as they are', async () => {
    await vm().sh('systemctl restart wharf');
    assert.equal(await pid(), before);
    assert.doesNotMatch(await vm().sh('journalctl -b -u wharf --no-pager'), /left-over process/i);
  });

  test('killing the unit too, and systemd brings the daemon back', async () => {
    await vm().sh('systemctl kill -s KILL wharf');
    await vm().until('the daemon to be back', 'systemctl is-active wharf');
    assert.equal(await pid(), before);
    assert.equal(await vm().sh('docker exec counter echo alive'), 'alive');
  });

  test('the daemon killed for lack of memory comes back, and its containers have not noticed', async () => {
    // The kernel kills the worst of the group that is short: the daemon alone is in its own.
    await vm().sh(
      'main=$(systemctl show -P MainPID wharf); echo 4M >/sys/fs/cgroup/system.slice/wharf.service/memory.max || true; docker ps >/dev/null 2>&1 || true; systemctl set-property --runtime wharf MemoryMax=infinity; for i in $(seq 60); do [ "$(systemctl show -P MainPID wharf)" != "$main" ] && break; sleep 0.5; done',
    );
    await vm().until('the daemon to be back', 'systemctl is-active wharf');
    assert.match(await vm().sh('journalctl -b -u wharf --no-pager'), /oom-kill|killed by the OOM killer/i);
    assert.equal(await pid(), before);
  });

  test('no line of the log was lost meanwhile', async () => {
    const lines = (await vm().sh('docker logs counter')).split('\n').map(Number);
    assert.ok(lines.length > 20);
    assert.deepEqual(
      lines,
      lines.map((_, i) => i + 1),
    );
  });

  test('stopped, the socket starts it again for the next client', async () => {
    await vm().sh('systemctl stop wharf');
    assert.match(before, new RegExp(`^${await vm().sh('pgrep -f "trap .exit 9. TERM" | head -1')} `));
    assert.equal(await pid(), before);
    assert.equal(await vm().sh('systemctl is-active wharf'), 'active');
  });

  test('reload takes over settings, and a broken file changes nothing', async () => {
    await settings(
      '{"live-restore": false, "labels": ["site=here"], "debug": true, "insecure-registries": ["10.9.8.7:5000"]}',
    );
    await vm().sh('systemctl reload wharf');
    const info = `docker info -f '{{.LiveRestoreEnabled}} {{.Labels}} {{.Debug}} {{(index .RegistryConfig.IndexConfigs "10.9.8.7:5000").Secure}}'`;
    await vm().until('the settings', `[ "$(${info})" = "false [site=here] true false" ]`);
    await settings('{"live-restore": tru');
    await vm().sh('systemctl reload wharf');
    await vm().until('the complaint', 'journalctl -b -u wharf | grep "settings not reloaded"');
    assert.equal(await vm().sh(info), 'false [site=here] true false');
    assert.match(
      await vm().sh('docker events --since 10m --until 0s --filter type=daemon'),
      /daemon reload .*site=here/,
    );
    await settings('{}');
  });

  test('without live restore a stop ends containers, and a start brings back those that shall run', async () => {
    await vm().sh('docker run -d --name always --restart always --init busybox sleep 1000');
    await vm().sh('systemctl stop wharf');
    assert.equal(await vm().sh('ls -d /sys/fs/cgroup/system.slice/wharf-*.scope 2>/dev/null || true'), '');
    await vm().sh('systemctl start wharf');
    await vm().until('the container', `[ "$(docker inspect -f '{{.State.Status}}' always)" = running ]`);
    assert.equal(
      await vm().sh(`docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' counter`),
      'exited 9',
    );
    await vm().sh(
      'docker rm -f always counter; cp /tmp/daemon.json /etc/wharf/daemon.json; systemctl reload wharf',
    );
  });
}
