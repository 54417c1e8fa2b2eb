import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { isKind } from '../errdefs/index.ts';
import { isProcessAlive } from '../linux/index.ts';
import { connectShim, RuntimeError, readExit, type ShimHandle } from './index.ts';
import {
  demultiplex,
  execExited,
  exited,
  type FixtureOptions,
  gone,
  readAll,
  ShimFixture,
  until,
} from './testing/shim-fixture.ts';

let fixture: ShimFixture;
before(() => {
  fixture = new ShimFixture();
});
after(() => fixture.close());

const sh = (script: string): string[] => ['sh', '-c', script];
const both = { stdin: false, stdout: true, stderr: true };
const all = { ...both, stdin: true };
const rss = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

async function run(
  args: string[],
  o = {},
): Promise<{ out: ReturnType<typeof demultiplex>; shim: ShimHandle }> {
  const shim = fixture.create(args, o);
  const stream = await shim.attach(both);
  const output = readAll(stream);
  await shim.start();
  await exited(shim);
  return { out: demultiplex(await output), shim };
}

test('output before and after attach, exit code, exit record, log', async () => {
  const { out, shim } = await run(sh('echo out; echo err >&2; printf tail; exit 3'));
  assert.deepEqual(out, { stdout: 'out\ntail', stderr: 'err\n' });
  const record = await exited(shim);
  assert.equal(record.exitCode, 3);
  assert.equal(record.oomKilled, false);
  assert.match(record.exitedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/);
  assert.deepEqual(readExit(fixture.path(shim, 'exit.json')), record);
  const lines = fs.readFileSync(fixture.path(shim, 'log'), 'utf8').trimEnd().split('\n');
  const entries = lines.map((line) => JSON.parse(line) as { log: string; stream: string; time: string });
  assert.deepEqual(
    new Set(entries.map(({ log, stream }) => `${stream}:${log}`)),
    new Set(['stdout:out\n', 'stderr:err\n', 'stdout:tail']),
  );
  await gone(shim);
  assert.equal(fs.existsSync(fixture.socketPath(shim.id)), false);
  assert.equal(fs.existsSync(`${fixture.root}/runtime/${shim.id}`), false);
  assert.deepEqual(fs.readdirSync(fixture.path(shim, '.')).sort(), ['config.json', 'exit.json', 'log']);
});

test('a signal ends it: 128 + n, and the shim leaves no zombie', async () => {
  const shim = fixture.create(['sleep', '100']);
  const { pid } = await shim.start();
  assert.equal(shim.initPid, pid);
  await shim.signal(null, 9);
  const record = await exited(shim);
  assert.equal(record.exitCode, 137);
  assert.equal(record.signal, 9);
  await gone(shim);
  await until(() => !fs.existsSync(`/proc/${shim.pid}`), 'the shim is reaped');
  await assert.rejects(shim.signal(null, 9), (err) => isKind(err, 'NotFound'));
});

test('a start that fails says why, also when only execve fails; nothing is left', async () => {
  const causes: [string, RegExp][] = [
    ['no-such-program', /no-such-program/],
    ['no-interpreter', /no-interpreter.*No such file/],
    ['not-a-program', /Exec format error/],
    ['/proc', /Operation not permitted|Permission denied|directory/],
  ];
  for (const [program, cause] of causes) {
    const shim = fixture.create([program]);
    const stream = await shim.attach(both);
    await assert.rejects(shim.start(), (err) => {
      assert.ok(err instanceof RuntimeError);
      assert.match(err.runtimeMessage, cause);
      return true;
    });
    assert.equal((await readAll(stream)).length, 0, 'the complaint is not the output of the container');
    await gone(shim);
    assert.equal(fs.readFileSync(fixture.path(shim, 'log'), 'utf8'), '');
    assert.equal(fs.existsSync(`${fixture.root}/runtime/${shim.id}`), false);
  }
});

test('runc works as crun does', { skip: !fs.existsSync('/usr/sbin/runc') }, async () => {
  const runc = { runtimePath: '/usr/sbin/runc', runtimeRoot: `${fixture.root}/runc` };
  const { out, shim } = await run(sh('echo hi; exit 4'), runc);
  assert.equal(out.stdout, 'hi\n');
  assert.equal((await exited(shim)).exitCode, 4);
  await gone(shim);
  for (const program of ['no-interpreter', 'no-such-program']) {
    const failing = fixture.create([program], runc);
    await assert.rejects(failing.start(), RuntimeError);
    await gone(failing);
  }
  assert.deepEqual(fs.readdirSync(`${fixture.root}/runc`), []);
});

test('crun is not started to delete, but where something is left to end', async () => {
  const log = `${fixture.root}/crun.log`;
  fs.mkdirSync(`${fixture.root}/bin`);
  const wrapper = `${fixture.root}/bin/crun`;
  fs.writeFileSync(wrapper, `#!/bin/sh\necho "$@" >> ${log}\nexec crun "$@"\n`, { mode: 0o755 });
  const plain = fixture.create(['true'], { runtimePath: wrapper });
  await plain.start();
  await gone(plain);
  const orphaning = fixture.create(sh('sleep 4243 &'), {
    runtimePath: wrapper,
    edit: (config) => {
      config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== 'pid');
    },
  });
  await orphaning.start();
  await gone(orphaning);
  const commands = fs.readFileSync(log, 'utf8').trimEnd().split('\n');
  const verbs = commands.map((line) => / (run|delete) /.exec(line)?.[1]);
  assert.deepEqual(verbs, ['run', 'run', 'delete']);
});

test('a runtime that is not there', async () => {
  const shim = fixture.create(['true'], { runtimePath: '/no/such/runtime' });
  await assert.rejects(shim.start(), /\/no\/such\/runtime: No such file/);
  await gone(shim);
});

test('stdin: written before the start, half-closed with stdinOnce', async () => {
  const shim = fixture.create(['cat'], { openStdin: true, stdinOnce: true });
  const stream = await shim.attach(all);
  stream.end('hello\n');
  const output = readAll(stream);
  await shim.start();
  assert.equal(demultiplex(await output).stdout, 'hello\n');
  assert.equal((await exited(shim)).exitCode, 0);
});

test('stdin without stdinOnce: the end of input detaches, the container goes on', async () => {
  const shim = fixture.create(sh('while read x; do echo got $x; [ $x = end ] && exit 5; done'), {
    openStdin: true,
  });
  const [first, watcher] = [await shim.attach(all), await shim.attach(both)];
  const watched = readAll(watcher);
  await shim.start();
  first.write('one\n');
  await once(first, 'data');
  first.end();
  await readAll(first);
  assert.equal(shim.state, 'running');
  const second = await shim.attach(all);
  second.write('end\n');
  assert.equal(demultiplex(await readAll(second)).stdout, 'got end\n');
  assert.equal((await exited(shim)).exitCode, 5);
  assert.equal(demultiplex(await watched).stdout, 'got one\ngot end\n');
});

test('input nobody reads does not keep its writer waiting', async () => {
  const shim = fixture.create(sh('exec <&-; sleep 0.2; echo done'), { openStdin: true, stdinOnce: true });
  const stream = await shim.attach(all);
  await shim.start();
  stream.end(Buffer.alloc(3_000_000));
  assert.equal(demultiplex(await readAll(stream)).stdout, 'done\n');
});

test('several megabytes there and back, byte for byte', async () => {
  const bytes = Buffer.alloc(8_000_000, 'a line of some length, and its end\n');
  const shim = fixture.create(['cat'], { openStdin: true, stdinOnce: true, logPath: null });
  const stream = await shim.attach(all);
  await shim.start();
  stream.end(bytes);
  const { stdout } = demultiplex(await readAll(stream));
  assert.ok(Buffer.from(stdout, 'latin1').equals(bytes));
});

test('a slow reader stops the container within a bound and loses nothing; a dead one is dropped', async () => {
  const shim = fixture.create(sh('head -c 20000000 /dev/zero | tr "\\0" x; echo end'), { logPath: null });
  const slow = await shim.attach(both);
  const dead = await shim.attach(both);
  slow.pause();
  await shim.start();
  dead.destroy();
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(shim.state, 'running', 'it waits for its reader');
  assert.ok(rss(shim.pid) < 1536, `VmRSS ${rss(shim.pid)} kB`);
  const { stdout } = demultiplex(await readAll(slow));
  assert.equal(stdout.length, 20_000_004);
  assert.equal((await exited(shim)).exitCode, 0);
});

test('a terminal: raw output, size, resize, input', async () => {
  // The size is set when the runtime hands the terminal over, and the runtime does not wait for it.
  const script = 'sleep 0.1; stty size; read x; echo "<$x>"; stty size';
  const shim = fixture.create(sh(script), { tty: true, openStdin: true });
  await shim.resize(null, 40, 100);
  const stream = await shim.attach(all);
  let seen = '';
  stream.on('data', (chunk: Buffer) => {
    seen += chunk.toString();
  });
  await shim.start();
  await until(() => seen.includes('40 100\r\n'), 'the first size');
  await shim.resize(null, 50, 132);
  stream.write('hi\n');
  await once(stream, 'end');
  assert.match(seen, /<hi>\r\n50 132\r\n$/);
  assert.equal((await exited(shim)).exitCode, 0);
  assert.match(fs.readFileSync(fixture.path(shim, 'log'), 'utf8'), /"log":"\\u003chi\\u003e\\r\\n"/);
});

test('a terminal loses nothing of a last burst', async () => {
  const shim = fixture.create(['seq', '1', '20000'], { tty: true, logPath: null });
  const stream = await shim.attach(both);
  await shim.start();
  const text = (await readAll(stream)).toString();
  assert.equal(text.split('\r\n').length, 20001);
});

test('the kernel ends it for lack of memory: oomKilled', async () => {
  const hog = sh('x=a; while true; do x=$x$x$x$x; done');
  const limit = {
    edit: (config: { linux: { resources: object } }) => {
      config.linux.resources = { memory: { limit: 8_000_000, swap: 8_000_000 } };
    },
  };
  const shim = fixture.create(hog, limit);
  await shim.start();
  const record = await exited(shim);
  assert.equal(record.oomKilled, true);
  assert.equal(record.exitCode, 137);
});

test('execs: streams, exit code told before the end, stdin, errors, signals', async () => {
  const shim = fixture.create(['sleep', '100']);
  await shim.start();
  let code: number | undefined;
  shim.onExecExit((id, exit) => {
    if (id === 'e1') code = exit;
  });
  const process1 = fixture.process(sh('echo out; echo err >&2; exit 7'));
  const e1 = await shim.exec({ execId: 'e1', process: process1, tty: false, stdin: false });
  assert.deepEqual(demultiplex(await readAll(e1.stream!)), { stdout: 'out\n', stderr: 'err\n' });
  assert.equal(code, 7);

  const e2 = await shim.exec({ execId: 'e2', process: fixture.process(['cat']), tty: false, stdin: true });
  assert.equal(shim.execs.get('e2'), e2.pid);
  e2.stream!.end('to and fro');
  assert.equal(demultiplex(await readAll(e2.stream!)).stdout, 'to and fro');
  assert.equal(shim.execs.size, 0);

  for (const program of ['no-such-program', 'no-interpreter']) {
    const failing = { execId: 'bad', process: fixture.process([program]), tty: false, stdin: false };
    await assert.rejects(shim.exec(failing), RuntimeError);
  }

  const ended = execExited(shim, 'e3');
  const detached = {
    execId: 'e3',
    process: fixture.process(['sleep', '100']),
    tty: false,
    stdin: false,
    detach: true,
  };
  const e3 = await shim.exec(detached);
  assert.equal(e3.stream, null);
  await shim.signal('e3', 15);
  assert.equal(await ended, 143);
  await assert.rejects(shim.resize('e3', 1, 1), (err) => isKind(err, 'NotFound'));
  assert.equal(fs.readFileSync(fixture.path(shim, 'log'), 'utf8'), '', 'execs are not logged');
});

test('an exec with a terminal: its first size, resize', async () => {
  const shim = fixture.create(['sleep', '100']);
  await shim.start();
  // crun's parent sets the first size while its child goes on: mostly before, but not always.
  const process = fixture.process(sh('sleep 0.1; stty size; read x; stty size'));
  const { stream } = await shim.exec({ execId: 't', process, tty: true, stdin: true, consoleSize: [24, 81] });
  let seen = '';
  stream!.on('data', (chunk: Buffer) => {
    seen += chunk.toString();
  });
  await until(() => seen.includes('24 81'), 'the first size');
  await shim.resize('t', 30, 90);
  stream!.write('x\n');
  await once(stream!, 'end');
  assert.match(seen, /30 90\r\n$/);
});

test('a child that an exec leaves behind holds nobody up and is not hurt', async () => {
  const shim = fixture.create(sh('while [ ! -e /dev/shm-done ]; do sleep 0.05; done; echo survived'));
  const output = shim.attach(both).then(readAll);
  await shim.start();
  const process = fixture.process(sh('(sleep 0.6; echo late; echo later && : > /dev/shm-done) & echo now'));
  const { stream } = await shim.exec({ execId: 'bg', process, tty: false, stdin: false });
  assert.equal(demultiplex(await readAll(stream!)).stdout, 'now\n');
  assert.equal(demultiplex(await output).stdout, 'survived\n');
});

test('the end of the container ends its execs', async () => {
  const shim = fixture.create(['sleep', '100']);
  await shim.start();
  const ended = execExited(shim, 'e');
  const { stream } = await shim.exec({
    execId: 'e',
    process: fixture.process(['sleep', '99']),
    tty: false,
    stdin: false,
  });
  await shim.signal(null, 9);
  assert.equal(await ended, 137);
  assert.equal((await readAll(stream!)).length, 0);
  assert.equal((await exited(shim)).exitCode, 137);
});

test("what a container in the host's pid namespace leaves running is ended, and delays nothing", async () => {
  const edit: FixtureOptions['edit'] = (config) => {
    config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== 'pid');
  };
  const shim = fixture.create(sh('sleep 4242 & echo $!; exit 3'), { edit });
  const output = shim.attach(both).then(readAll);
  await shim.start();
  assert.equal((await exited(shim)).exitCode, 3);
  const left = demultiplex(await output).stdout.trim();
  await gone(shim);
  await until(() => !fs.existsSync(`/proc/${left}`), 'the process left behind');
});

test('many execs: no descriptor and no zombie stays', async () => {
  const shim = fixture.create(['sleep', '100']);
  await shim.start();
  const descriptors = (): number => fs.readdirSync(`/proc/${shim.pid}/fd`).length;
  const before = descriptors();
  const process = fixture.process(['true']);
  const one = async (n: number): Promise<void> => {
    const { stream } = await shim.exec({ execId: `m${n}`, process, tty: n % 4 === 0, stdin: n % 3 === 0 });
    await readAll(stream!);
  };
  for (let n = 0; n < 60; n += 6) await Promise.all([0, 1, 2, 3, 4, 5].map((i) => one(n + i)));
  await until(() => descriptors() === before, `${before} descriptors`);
  const children = fs.readFileSync(`/proc/${shim.pid}/task/${shim.pid}/children`, 'utf8').trim();
  assert.equal(children, String(shim.initPid));
  assert.ok(rss(shim.pid) < 1536, `VmRSS ${rss(shim.pid)} kB`);
});

test('the log is rotated, and every line is whole', async () => {
  const { shim } = await run(['seq', '1', '3000'], { logMaxSize: 50_000, logMaxFiles: 3 });
  const log = fixture.path(shim, 'log');
  const texts = [`${log}.2`, `${log}.1`, log].map((path) => fs.readFileSync(path, 'utf8'));
  assert.equal(fs.existsSync(`${log}.3`), false);
  for (const text of texts) assert.ok(text.length < 50_200);
  const numbers = texts
    .join('')
    .trimEnd()
    .split('\n')
    .map((line) => Number(JSON.parse(line).log));
  assert.equal(numbers.at(-1), 3000);
  for (const [i, n] of numbers.entries()) assert.equal(n, numbers[0]! + i);
});

test('what a log line looks like: escapes, invalid UTF-8, pieces of 16 KiB, attributes', async () => {
  const script = [
    "printf '\\001\\t\\b<>&\"\\\\\\177 \\342\\200\\250 \\355\\240\\200 \\303\\251 \\360\\237\\230\\200\\r\\303\\n'",
    'head -c 16384 /dev/zero | tr "\\0" b; echo',
    'head -c 40000 /dev/zero | tr "\\0" c; echo',
  ].join('; ');
  const { shim } = await run(sh(script), { logAttrs: { label: 'x' } });
  const lines = fs.readFileSync(fixture.path(shim, 'log'), 'utf8').trimEnd().split('\n');
  const escaped =
    '\\u0001\\u0009\\u0008\\u003c\\u003e\\u0026\\"\\\\\x7f \\u2028 \\ufffd\\ufffd\\ufffd \u00e9 \u{1f600}\\r\\ufffd\\n';
  assert.ok(
    lines[0]?.startsWith(`{"log":"${escaped}","stream":"stdout","attrs":{"label":"x"},"time":"20`),
    lines[0] ?? '',
  );
  const sizes = lines.slice(1).map((line) => (JSON.parse(line) as { log: string }).log);
  assert.deepEqual(
    sizes.map((log) => [log.length, log.endsWith('\n')]),
    [
      [16384, false],
      [1, true],
      [16384, false],
      [16384, false],
      [7233, true],
    ],
  );
});

test('a full disk loses lines of the log and nothing else', async () => {
  const directory = `${fixture.root}/full`;
  fs.mkdirSync(directory);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory]);
  try {
    const { out, shim } = await run(['seq', '1', '20000'], { logPath: `${directory}/log` });
    assert.equal(out.stdout.split('\n').length, 20001);
    assert.equal((await exited(shim)).exitCode, 0);
    await gone(shim); // or the log is still open
    for (const line of fs.readFileSync(`${directory}/log`, 'utf8').trimEnd().split('\n')) JSON.parse(line);
  } finally {
    execFileSync('umount', [directory]);
  }
});

test('a log that cannot be opened stops the start', async () => {
  const shim = fixture.create(['true'], { logPath: '/no/such/directory/log' });
  await assert.rejects(shim.start(), /failed to initialize logging driver.*No such file/);
  assert.equal(shim.state, 'gone');
});

test('after the death of its daemon: found again, with what happened meanwhile', async () => {
  const script = new URL('./testing/dying-daemon.ts', import.meta.url).pathname;
  const bundle = `${fixture.root}/orphan`;
  fs.mkdirSync(bundle);
  const loop = sh(
    'exec 3<&0; (cat <&3; echo end of input) & trap "exit 9" TERM; i=0; while true; do echo $i; i=$((i+1)); sleep 0.02; done',
  );
  fs.writeFileSync(`${bundle}/config.json`, JSON.stringify(fixture.config(loop, 'orphan', false)));
  const daemon = spawn(process.execPath, [script, fixture.root], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(daemon.stdout, 'data');
  daemon.kill('SIGKILL');
  await once(daemon, 'exit');
  await new Promise((resolve) => setTimeout(resolve, 200));

  const shim = await connectShim(`${bundle}/sock`);
  assert.equal(shim.id, 'orphan');
  assert.equal(shim.state, 'running');
  assert.deepEqual([...shim.execs.keys()], ['long'], 'the exec that runs on');
  const ends: [string, number][] = [];
  shim.onExecExit((id, code) => ends.push([id, code]));
  assert.deepEqual(ends, [['short', 6]], 'the one that ended meanwhile');
  const output = shim.attach(both).then(readAll);
  await until(() => fs.readFileSync(`${bundle}/log`, 'utf8').split('\n').length > 15, 'more lines');
  await shim.signal(null, 15);
  assert.equal((await exited(shim)).exitCode, 9);
  assert.ok((await output).length > 0);
  const lines = fs.readFileSync(`${bundle}/log`, 'utf8').trimEnd().split('\n');
  for (const [i, line] of lines.entries()) assert.equal(JSON.parse(line).log, `${i}\n`);
  await gone(shim);
  await assert.rejects(connectShim(`${bundle}/sock`), (err) => isKind(err, 'NotFound'));
});

test('it ends while no daemon is there: recorded, and everything is gone', async () => {
  const shim = fixture.create(sh('sleep 0.3; exit 8'));
  await shim.start();
  shim.close();
  await until(() => !fs.existsSync(fixture.socketPath(shim.id)), 'the socket is gone');
  assert.equal(readExit(fixture.path(shim, 'exit.json'))?.exitCode, 8);
  assert.equal(fs.existsSync(`${fixture.root}/runtime/${shim.id}`), false);
});

test('a shim that is killed: the status is unknown', async () => {
  const shim = fixture.create(['sleep', '100']);
  const { pid } = await shim.start();
  const stream = await shim.attach(both);
  process.kill(shim.pid, 'SIGKILL');
  const record = await exited(shim);
  assert.equal(record.exitCode, 255);
  assert.equal(record.unknown, true);
  await readAll(stream);
  await gone(shim);
  assert.equal(isProcessAlive(pid), false, 'its container was ended');
  assert.equal(fs.existsSync(`${fixture.root}/runtime/${shim.id}`), false);
  await assert.rejects(connectShim(fixture.socketPath(shim.id)), (err) => isKind(err, 'NotFound'));
});

test('a shim that is never started ends with its daemon', async () => {
  const shim = fixture.create(['true']);
  shim.close();
  await until(() => !fs.existsSync(`/proc/${shim.pid}`), 'the shim is gone');
  assert.equal(fs.existsSync(fixture.socketPath(shim.id)), false);
});

test('a socket path longer than the kernel takes', async () => {
  const directory = `${fixture.root}/${'d'.repeat(120)}`;
  fs.mkdirSync(directory);
  const shim = fixture.create(sh('sleep 0.1; echo hi'), { socketPath: `${directory}/sock` });
  await shim.start();
  const stream = await shim.attach(both);
  assert.equal(demultiplex(await readAll(stream)).stdout, 'hi\n');
  await gone(shim);
  assert.deepEqual(fs.readdirSync(directory), []);
});
