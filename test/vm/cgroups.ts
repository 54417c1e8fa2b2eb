/** Limits and facts of containers on the unified hierarchy, by both drivers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Machine } from './machine.ts';

const FILES = 'memory.max memory.swap.max memory.low cpu.max cpu.weight cpuset.cpus pids.max io.max';
const LIMITS =
  '--memory 64m --memory-swap 96m --memory-reservation 32m --cpus 0.5 --cpu-shares 512 --cpuset-cpus 0 --pids-limit 3000 --device-read-bps /dev/vda:1mb';
const WRITTEN = [
  ['memory.max', '67108864'],
  ['memory.swap.max', '33554432'],
  ['memory.low', '33554432'],
  ['cpu.max', '50000 100000'],
  ['cpu.weight', '20'],
  ['cpuset.cpus', '0'],
  ['pids.max', '3000'],
  ['io.max', '254:0 rbps=1048576 wbps=max riops=max wiops=max'],
];

/** A shell expression for the directory of a container's group. */
const groupOf = (name: string): string =>
  `/sys/fs/cgroup$(cut -d: -f3 /proc/$(docker inspect -f '{{.State.Pid}}' ${name})/cgroup)`;

/** A container that takes more memory than it may, in its first process or in another one. */
const OOM = {
  first: `docker run --name oom --memory 20m busybox sh -c 'exec tail -c 100m /dev/zero'`,
  child: `docker run --name oom --memory 20m busybox sh -c 'tail -c 100m /dev/zero; exit 3'`,
};

export function cgroupTests(vm: () => Machine): void {
  const limits = async (name: string): Promise<string[][]> => {
    const text = await vm().sh(`cd ${groupOf(name)} && grep . ${FILES}`);
    return text
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]);
  };

  test('limits are the kernel’s, in a scope that systemd shows, and outlast its reloads', async () => {
    const id = await vm().sh(`docker run -d --name limited ${LIMITS} --init busybox sleep 1000`);
    const scope = `wharf-${id}.scope`;
    assert.equal(
      await vm().sh(`echo ${groupOf('limited')}`),
      `/sys/fs/cgroup/system.slice/${scope}/container`,
    );
    assert.deepEqual(await limits('limited'), WRITTEN);
    assert.equal(await vm().sh(`systemctl is-active ${scope}`), 'active');
    assert.equal(await vm().sh(`systemctl show -P TasksMax ${scope}`), 'infinity');
    await vm().sh('systemctl daemon-reload');
    assert.deepEqual(await limits('limited'), WRITTEN);
  });

  test('update changes them while it runs', async () => {
    await vm().sh('docker update --memory 80m --memory-swap 160m --cpus 0.25 --pids-limit 60 limited');
    await vm().sh('systemctl daemon-reload');
    const now = new Map((await limits('limited')).map(([file = '', value]) => [file, value]));
    assert.equal(now.get('memory.max'), String(80 << 20));
    assert.equal(now.get('memory.swap.max'), String(80 << 20));
    assert.equal(now.get('cpu.max'), '25000 100000');
    assert.equal(now.get('pids.max'), '60');
  });

  test('stats, top and exec find its group', async () => {
    const stats = await vm().sh('docker stats --no-stream --format "{{.MemUsage}} {{.PIDs}}" limited');
    assert.match(stats, /^[\d.]+[KM]iB \/ 80MiB 2$/);
    assert.match(await vm().sh('docker top limited'), /docker-init[\s\S]*sleep 1000/);
    // In a namespace of its own the group is the root, also for what is run in it later.
    assert.equal(await vm().sh('docker exec limited cat /proc/self/cgroup'), '0::/');
    await vm().sh('docker exec -d limited sleep 777');
    await vm().until(
      'the exec in the group',
      `grep -qx "$(pgrep -x -f 'sleep 777')" ${groupOf('limited')}/cgroup.procs`,
    );
    assert.match(await vm().fails('docker exec limited mkdir /sys/fs/cgroup/mine'), /Read-only file system/);
  });

  test('pause freezes, unpause thaws', async () => {
    const frozen = `grep frozen ${groupOf('limited')}/cgroup.events`;
    await vm().sh('docker pause limited');
    assert.equal(await vm().sh(frozen), 'frozen 1');
    await vm().sh('docker unpause limited');
    assert.equal(await vm().sh(frozen), 'frozen 0');
    await vm().sh('docker rm -f limited');
    await vm().until('the scope to be gone', '! ls -d /sys/fs/cgroup/system.slice/wharf-*.scope');
  });

  test('a kill for lack of memory is told, though systemd removes the group at once', async () => {
    for (let round = 0; round < 3; round++) {
      await vm().run(OOM.first);
      assert.equal(
        await vm().sh('docker inspect -f "{{.State.OOMKilled}} {{.State.ExitCode}}" oom; docker rm oom'),
        'true 137\noom',
      );
    }
    await vm().run(OOM.child);
    assert.equal(await vm().sh('docker inspect -f "{{.State.OOMKilled}} {{.State.ExitCode}}" oom'), 'true 3');
    assert.match(
      await vm().sh('docker events --since 10m --until 0s --filter event=oom --format "{{.Action}}"'),
      /oom/,
    );
    await vm().sh('docker rm oom');
    assert.equal(await vm().sh('systemctl --failed --no-legend --plain'), '');
  });

  test('a container may be put in any slice, and only in slices', async () => {
    await vm().sh('docker run -d --name sliced --cgroup-parent web-front.slice --init busybox sleep 1000');
    assert.match(
      await vm().sh(`echo ${groupOf('sliced')}`),
      /^\/sys\/fs\/cgroup\/web\.slice\/web-front\.slice\/wharf-\w{64}\.scope\/container$/,
    );
    await vm().sh('systemctl set-property --runtime web.slice MemoryMax=200M && docker rm -f sliced');
    assert.match(
      await vm().fails('docker create --cgroup-parent /web busybox'),
      /cgroup-parent for systemd cgroup should be a valid slice named as "xxx\.slice"/,
    );
  });

  test('privileged containers have their group to themselves; devices are denied to others', async () => {
    const nested = `mkdir /sys/fs/cgroup/mine && echo $$ >/sys/fs/cgroup/mine/cgroup.procs && cat /proc/self/cgroup`;
    assert.equal(await vm().sh(`docker run --rm --privileged busybox sh -c '${nested}'`), '0::/mine');
    const vda = 'mknod /tmp/vda b 254 0 && head -c 1 /tmp/vda >/dev/null && echo read';
    assert.equal(
      await vm().sh(`docker run --rm --device-cgroup-rule 'b 254:0 rm' busybox sh -c '${vda}'`),
      'read',
    );
    assert.match(await vm().fails(`docker run --rm busybox sh -c '${vda}'`), /Operation not permitted/);
  });

  test('with CAP_SYS_RESOURCE limits rise and the score falls', async () => {
    const shown = await vm().sh(
      `docker run --rm --ulimit nofile=1048570:1048572 --ulimit core=-1 --oom-score-adj -700 busybox sh -c 'ulimit -n; ulimit -Hn; ulimit -c; cat /proc/self/oom_score_adj'`,
    );
    assert.equal(shown, '1048570\n1048572\nunlimited\n-700');
    // The daemon's own score is -500.
    assert.equal(await vm().sh('docker run --rm busybox cat /proc/self/oom_score_adj'), '0');
  });

  test('with the driver cgroupfs the group is ours alone, and what runs goes on', async () => {
    const before = await vm().sh(
      'docker run -d --name old --init busybox sleep 1000 >/dev/null; docker inspect -f "{{.State.Pid}}" old',
    );
    await vm().sh('cp /etc/wharf/daemon.json /tmp/daemon.json');
    await vm().sh(
      `echo '{"live-restore": true, "exec-opts": ["native.cgroupdriver=cgroupfs"]}' >/etc/wharf/daemon.json; systemctl restart wharf`,
    );
    assert.equal(await vm().sh('docker info -f "{{.CgroupDriver}}"'), 'cgroupfs');
    assert.equal(await vm().sh('docker inspect -f "{{.State.Pid}}" old'), before);
    assert.match(await vm().sh('docker top old'), /sleep 1000/);
    const id = await vm().sh(`docker run -d --name limited ${LIMITS} --init busybox sleep 1000`);
    assert.equal(await vm().sh(`echo ${groupOf('limited')}`), `/sys/fs/cgroup/wharf/${id}`);
    assert.deepEqual(await limits('limited'), WRITTEN);
    await vm().run(OOM.first);
    assert.equal(await vm().sh('docker inspect -f "{{.State.OOMKilled}}" oom'), 'true');
    await vm().sh('docker rm -f old limited oom');
    await vm().until(
      'the groups to be gone',
      '[ -z "$(find /sys/fs/cgroup/wharf /sys/fs/cgroup/system.slice -regextype posix-extended -regex ".*[0-9a-f]{64}.*" -type d)" ]',
    );
    await vm().sh('cp /tmp/daemon.json /etc/wharf/daemon.json; systemctl restart wharf');
    assert.equal(await vm().sh('docker info -f "{{.CgroupDriver}}"'), 'systemd');
  });
}
