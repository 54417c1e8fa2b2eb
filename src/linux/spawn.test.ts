import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import {
  closeFd,
  isErrno,
  isProcessAlive,
  kill,
  pidfdOpen,
  pidfdSendSignal,
  posixSpawn,
  processStartTime,
  reap,
  waitForExit,
} from './index.ts';

const base = fs.mkdtempSync(join(tmpdir(), 'wharf-spawn-'));
after(() => fs.rmSync(base, { recursive: true }));

/** Runs a shell script with its output in a file, and gives that. */
async function shell(
  script: string,
  options: Partial<Parameters<typeof posixSpawn>[0]> = {},
): Promise<string> {
  const path = join(base, 'out');
  const fd = fs.openSync(path, 'w');
  const pid = posixSpawn({
    path: '/bin/sh',
    argv: ['sh', '-c', script],
    fds: [{ from: fd, to: 1 }],
    ...options,
  });
  fs.closeSync(fd);
  assert.deepEqual(await waitForExit(pid), { code: 0, signal: null });
  return fs.readFileSync(path, 'utf8').trim();
}

test('environment, working directory, arguments', async () => {
  assert.equal(
    await shell('pwd; echo $A; tr "\\0" " " </proc/$$/environ', { cwd: base, env: ['A=b c'] }),
    `${base}\nb c\nA=b c`,
  );
});

test('only the descriptors asked for, 0 to 2 at least /dev/null; swapped ones do not clobber', async () => {
  const leaked = fs.openSync('/dev/zero', 'r');
  const [a, b] = ['a', 'b'].map((name) => {
    fs.writeFileSync(join(base, name), name);
    return fs.openSync(join(base, name), 'r');
  }) as [number, number];
  const out = fs.openSync(join(base, 'fds'), 'w');
  const pid = posixSpawn({
    path: '/bin/sh',
    argv: ['sh', '-c', `cd /proc/$$/fd; readlink -f ${b} ${a} 0 2; echo *`],
    fds: [
      { from: out, to: 1 },
      { from: a, to: b },
      { from: b, to: a },
    ],
  });
  await waitForExit(pid);
  const [atB, atA, stdin, stderr, fds = ''] = fs.readFileSync(join(base, 'fds'), 'utf8').trim().split('\n');
  assert.deepEqual([atB, atA], [join(base, 'a'), join(base, 'b')]); // they changed places
  assert.deepEqual([stdin, stderr], ['/dev/null', '/dev/null']);
  // 3 is the shell's own look at the directory.
  const seen = fds.split(' ').map(Number);
  assert.ok(!seen.includes(leaked));
  assert.ok(
    seen.every((fd) => [0, 1, 2, 3, a, b].includes(fd)),
    fds,
  );
  for (const fd of [leaked, a, b, out]) fs.closeSync(fd);
});

test('signals are at their defaults (Node ignores SIGPIPE), none blocked; setsid', async () => {
  const status = await shell(
    'grep -E "SigIgn|SigBlk" /proc/self/status; cut -d" " -f 1,5,6 /proc/$$/stat; echo $$',
    {
      setsid: true,
    },
  );
  const [blocked, ignored, ids = '', pid] = status.split('\n');
  assert.match(blocked ?? '', /:\s0+$/);
  assert.match(ignored ?? '', /:\s0+$/);
  assert.equal(ids, `${pid} ${pid} ${pid}`); // group and session are its own
});

test('what cannot be run throws at once', () => {
  const spawn = (path: string, cwd = '/') => posixSpawn({ path, argv: [path], cwd });
  const code = (name: string) => (err: unknown) => isErrno(err, name);
  assert.throws(() => spawn('/nonexistent'), code('ENOENT'));
  assert.throws(() => spawn('/etc/passwd'), code('EACCES'));
  assert.throws(() => spawn('/bin/true', '/nonexistent'), code('ENOENT'));
});

test('many exits at once are all told, with code or signal, beside Node’s own children', async () => {
  const own = new Promise((resolve) => execFile('/bin/sh', ['-c', 'exit 9'], (err) => resolve(err?.code)));
  const codes = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      waitForExit(posixSpawn({ path: '/bin/sh', argv: ['sh', '-c', `exit ${i}`] })),
    ),
  );
  assert.deepEqual(
    codes.map(({ code }) => code),
    Array.from({ length: 20 }, (_, i) => i),
  );
  assert.equal(await own, 9);
});

test('a process is known by pid and start time, and signalled by pidfd', async () => {
  const pid = posixSpawn({ path: '/bin/sleep', argv: ['sleep', '100'] });
  const started = processStartTime(pid);
  assert.ok(isProcessAlive(pid, started));
  assert.ok(!isProcessAlive(pid, (started ?? 0) - 1));
  const pidfd = pidfdOpen(pid);
  pidfdSendSignal(pidfd, 15);
  assert.deepEqual(await waitForExit(pid), { code: null, signal: 15 });
  closeFd(pidfd);
  assert.ok(!isProcessAlive(pid));
  assert.equal(processStartTime(pid), undefined);
  assert.throws(
    () => kill(pid, 0),
    (err) => isErrno(err, 'ESRCH'),
  );
});

test('reap tells of a process that ended before anybody listened, and never synchronously', async () => {
  const pid = posixSpawn({ path: '/bin/true', argv: ['true'] });
  while (isProcessAlive(pid));
  let told = false;
  const done = new Promise<void>((resolve) =>
    reap(pid, () => {
      told = true;
      resolve();
    }),
  );
  assert.equal(told, false);
  const alive = setTimeout(() => {}, 5000);
  await done;
  clearTimeout(alive);
});
