/** `run` and its flags, asked of any command line that is used as Docker's is. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Cli, TestEngine } from '../harness/engine.ts';
import { engineName } from '../harness/engine.ts';

/** The 14 capabilities Docker grants by default, as the kernel shows them (proc(5), CapBnd). */
const DEFAULT_CAPABILITIES = 'a80425fb';

export function runSuite(docker: () => Cli, engine: () => TestEngine): void {
  const inBusybox = (flags: string[], script: string) =>
    docker().ok('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);

  test('run: standard output, standard error and the exit status are the program’s', async () => {
    const result = await docker().run([
      'run',
      '--rm',
      'busybox',
      'sh',
      '-c',
      'echo out; echo err >&2; exit 42',
    ]);
    assert.deepEqual(result, { code: 42, signal: null, stdout: 'out\n', stderr: 'err\n' });
  });

  test('run -i: input reaches the program to its last byte, and its end is seen', async () => {
    const input = randomBytes(3 << 20);
    const { code, stdout } = await docker().run(['run', '--rm', '-i', 'busybox', 'sha256sum'], { input });
    assert.equal(code, 0);
    assert.equal(stdout.split(' ')[0], createHash('sha256').update(input).digest('hex'));
  });

  test('run without -i: standard input is empty', async () => {
    const { stdout } = await docker().run(['run', '--rm', 'busybox', 'wc', '-c'], { input: 'not for you' });
    assert.equal(stdout.trim(), '0');
  });

  test('run -t without -i: one terminal for output and errors', async () => {
    const { stdout } = await docker().run(['run', '--rm', '-t', 'busybox', 'sh', '-c', 'tty; echo e >&2']);
    assert.match(stdout, /^\/dev\/(pts\/0|console)\r\ne\r\n$/);
  });

  test('run -it: a terminal of the client’s size, the keyboard, the exit status', async () => {
    const terminal = docker().terminal('run', '--rm', '-it', 'busybox', 'sh');
    await terminal.prints(/# /);
    terminal.write('stty size; echo "ans"wer; exit 3\r');
    const { code, stdout } = await terminal.ended;
    assert.match(stdout, /24 80\r\nanswer\r\n/);
    assert.equal(code, 3);
  });

  test('run -it: control-C interrupts the program, not the client', async () => {
    const terminal = docker().terminal(
      'run',
      '--rm',
      '-it',
      'busybox',
      'sh',
      '-c',
      'trap "echo caught; exit 9" INT; echo go; while :; do sleep 0.1; done',
    );
    await terminal.prints(/go/);
    terminal.write('\x03');
    const { code, stdout } = await terminal.ended;
    assert.match(stdout, /caught/);
    assert.equal(code, 9);
  });

  test('run -it: the detach keys leave the container running', async () => {
    const terminal = docker().terminal('run', '-it', '--name', 'detached', 'busybox', 'sh');
    await terminal.prints(/# /);
    terminal.write('\x10\x11');
    assert.equal((await terminal.ended).code, 0);
    assert.equal(await docker().ok('inspect', '-f', '{{.State.Running}}', 'detached'), 'true');
    await docker().ok('rm', '-f', 'detached');
  });

  test('run: a signal sent to the client reaches the program', async () => {
    const running = docker().start(
      'run',
      '--rm',
      'busybox',
      'sh',
      '-c',
      'trap "exit 7" TERM; echo ready; while :; do sleep 0.05; done',
    );
    await running.prints(/ready/);
    running.child.kill('SIGTERM');
    assert.equal((await running.ended).code, 7);
  });

  test('run -d: prints the id; the container goes on without the client', async () => {
    const id = await docker().ok('run', '-d', '--name', 'background', 'busybox', 'sleep', '300');
    assert.match(id, /^[0-9a-f]{64}$/);
    assert.equal(
      await docker().ok('inspect', '-f', '{{.Id}} {{.State.Status}}', 'background'),
      `${id} running`,
    );
    const message = await docker().fails(125, 'run', '--name', 'background', 'busybox', 'true');
    assert.match(
      message,
      new RegExp(`Conflict. The container name "/background" is already in use by container "${id}"`),
    );
    await docker().ok('rm', '-f', 'background');
  });

  test('run: names are generated, --rm removes', async () => {
    const id = await docker().ok('run', '-d', 'busybox', 'true');
    assert.match(await docker().ok('inspect', '-f', '{{.Name}}', id), /^\/[a-z]+_[a-z]+\d*$/);
    await docker().ok('wait', id);
    await docker().ok('rm', id);
    await docker().ok('run', '--rm', '--name', 'gone', 'busybox', 'true');
    assert.match(
      await docker().fails(1, 'inspect', '--type', 'container', 'gone'),
      /no such container: gone/i,
    );
  });

  test('run -e -w -h --label --entrypoint', async () => {
    const out = await inBusybox(
      ['-e', 'A=1 2', '-e', 'EMPTY=', '-w', '/new/dir', '-h', 'box'],
      'echo "$A|$EMPTY|$PWD|$(hostname)|$HOME"',
    );
    assert.equal(out, '1 2||/new/dir|box|/root');
    assert.equal(await docker().ok('run', '--rm', '--entrypoint', 'basename', 'busybox', '/a/b'), 'b');
    const id = await docker().ok('create', '--label', 'a=b', '--label', 'c', 'busybox');
    assert.equal(await docker().ok('inspect', '-f', '{{json .Config.Labels}}', id), '{"a":"b","c":""}');
    await docker().ok('rm', id);
  });

  test('run -u: names and numbers by the image’s own account files', async () => {
    assert.equal(
      await inBusybox(['-u', 'www-data'], 'id'),
      'uid=33(www-data) gid=33(www-data) groups=33(www-data)',
    );
    assert.match(await inBusybox(['-u', '1234:8'], 'id'), /^uid=1234 gid=8\(mail\)/);
    assert.match(await inBusybox(['-u', 'mail:users'], 'id'), /^uid=8\(mail\) gid=100\(users\)/);
    assert.match(await inBusybox(['--group-add', 'tty', '-u', 'mail'], 'id'), /groups=.*5\(tty\)/);
    const message = await docker().fails(125, 'run', '--rm', '-u', 'nobody-here', 'busybox', 'true');
    assert.match(message, /unable to find user nobody-here: no matching entries in passwd file/);
  });

  test('run --memory --cpus --pids-limit --cpu-shares: limits as the cgroup has them', async () => {
    const read = (v2: string, v1: string) =>
      `cat /sys/fs/cgroup/${v2} 2>/dev/null || cat /sys/fs/cgroup/${v1};`;
    const out = await inBusybox(
      ['--memory', '32m', '--cpus', '0.5', '--pids-limit', '64'],
      read('memory.max', 'memory/memory.limit_in_bytes') +
        read('cpu.max', 'cpu/cpu.cfs_quota_us') +
        read('pids.max', 'pids/pids.max'),
    );
    assert.match(out, /^33554432\n50000( 100000)?\n64$/);
  });

  test('run --memory: a container that takes too much is killed, and said to be', async () => {
    const args = [
      'run',
      '--name',
      'hungry',
      '--memory',
      '16m',
      '--memory-swap',
      '16m',
      'busybox',
      'tail',
      '/dev/zero',
    ];
    assert.equal((await docker().run(args)).code, 137);
    assert.equal(
      await docker().ok('inspect', '-f', '{{.State.OOMKilled}} {{.State.ExitCode}}', 'hungry'),
      'true 137',
    );
    await docker().ok('rm', 'hungry');
  });

  test('run --cap-add --cap-drop: Docker’s default set and changes to it', async () => {
    const bounding = (flags: string[]) => inBusybox(flags, 'sed -n "s/CapBnd:\\t0*//p" /proc/self/status');
    assert.equal(await bounding([]), DEFAULT_CAPABILITIES);
    assert.equal(await bounding(['--cap-drop', 'ALL']), '');
    assert.equal(await bounding(['--cap-drop', 'ALL', '--cap-add', 'NET_ADMIN']), '1000');
    assert.equal(await bounding(['--cap-drop', 'chown']), 'a80425fa');
    const effective = await inBusybox(['-u', '1000'], 'sed -n "s/CapEff:\\t0*//p" /proc/self/status');
    assert.equal(effective, '', 'a user that is not root has no effective capabilities');
    assert.match(
      await docker().fails(125, 'run', '--rm', '--cap-add', 'FLY', 'busybox', 'true'),
      /invalid capability|unknown capability/i,
    );
  });

  test('run: seccomp, masked and read-only paths, no-new-privileges', async () => {
    const field = (flags: string[], name: string) =>
      inBusybox(flags, `sed -n "s/^${name}:\\t//p" /proc/self/status`);
    assert.equal(await field([], 'Seccomp'), '2');
    assert.equal(await field(['--security-opt', 'seccomp=unconfined'], 'Seccomp'), '0');
    assert.equal(await field(['--security-opt', 'no-new-privileges'], 'NoNewPrivs'), '1');
    assert.match(await inBusybox([], 'unshare -U true 2>&1 || true'), /Operation not permitted/);
    assert.match(
      await inBusybox([], '(echo 1 > /proc/sys/kernel/panic) 2>&1 || true'),
      /Read-only file system/,
    );
    assert.equal(
      await inBusybox([], 'cat /proc/timer_list /proc/keys 2>/dev/null | wc -c; ls -A /sys/firmware | wc -l'),
      '0\n0',
    );
  });

  test('run --privileged: all that the machine has to give', {
    skip: engineName === 'dockerd' && 'dockerd itself fails here',
  }, async () => {
    const own = /CapBnd:\t(\w+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    assert.equal(await inBusybox(['--privileged'], 'sed -n "s/CapEff:\\t//p" /proc/self/status'), own);
    assert.equal(
      await inBusybox(
        ['--privileged'],
        'mkdir /m && mount -t tmpfs t /m && echo mounted; sed -n "s/Seccomp:\\t//p" /proc/self/status',
      ),
      'mounted\n0',
    );
  });

  test('run --read-only --tmpfs --shm-size', async () => {
    const out = await inBusybox(
      ['--read-only', '--tmpfs', '/scratch:size=1m,mode=1770', '--shm-size', '8m'],
      '(echo x > /file) 2>&1; echo y > /scratch/file && cat /scratch/file; stat -c %a /scratch; df -k /scratch /dev/shm | awk "NR>1{print \\$2}"',
    );
    assert.match(out, /Read-only file system\ny\n1770\n1024\n8192$/);
  });

  test('run --device --ulimit', async () => {
    assert.equal(
      await inBusybox(
        ['--device', '/dev/zero:/dev/nought:r'],
        'head -c 2 /dev/nought | od -An -tx1 | tr -d " "',
      ),
      '0000',
    );
    assert.match(
      await inBusybox(
        ['--device', '/dev/kmsg:/dev/log-of-host:r'],
        '(echo x > /dev/log-of-host) 2>&1 || true',
      ),
      /not permitted/,
    );
    assert.equal(await inBusybox(['--ulimit', 'nofile=100:200'], 'ulimit -n; ulimit -Hn'), '100\n200');
    assert.match(
      await docker().fails(127, 'run', '--rm', '--device', '/dev/not-there', 'busybox', 'true'),
      /no such file or directory/i,
    );
  });

  test('run --init: a first process that collects orphans', async () => {
    const script =
      'cat /proc/1/comm; (sleep 0.05 &); sleep 0.2; cat /proc/[0-9]*/stat | grep -c " Z " || true';
    assert.equal(await inBusybox(['--init'], script), 'docker-init\n0');
  });

  test('exit codes 125, 126, 127 and 137, with the cause named', async () => {
    assert.match(
      await docker().fails(127, 'run', '--rm', 'busybox', 'no-such-program'),
      /"no-such-program": executable file not found in \$PATH/,
    );
    assert.match(
      await docker().fails(127, 'run', '--rm', 'busybox', '/no/such/file'),
      /no such file or directory/,
    );
    assert.match(await docker().fails(126, 'run', '--rm', 'busybox', '/etc/passwd'), /permission denied/);
    assert.match(
      await docker().fails(125, 'run', '--rm', 'no-such-image.invalid/x'),
      /no-such-image\.invalid/,
    );
    await docker().fails(125, 'run', '--no-such-flag', 'busybox');
    const running = docker().start(
      'run',
      '--rm',
      '--name',
      'killed',
      'busybox',
      'sh',
      '-c',
      'echo up; exec sleep 100',
    );
    await running.prints(/up/);
    await docker().ok('kill', 'killed');
    assert.equal((await running.ended).code, 137);
    const left = await engine().client.json<object[]>('GET', '/containers/json?all=1');
    assert.deepEqual(left, [], 'a container that could not start is removed by --rm');
  });
}
