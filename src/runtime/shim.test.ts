import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { isKind } from '../errdefs/index.ts';
import { type OomFacts, RuntimeError, readExit, type ShimHandle } from './index.ts';
import {
  demultiplex,
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

test('signals while it ends: taken, or told that it does not run', async () => {
  for (let i = 0; i < 8; i++) {
    const shim = fixture.create(['sleep', '100']);
    await shim.start();
    const told: string[] = [];
    let ended = false;
    shim.onGone(() => {
      ended = true;
    });
    while (!ended) {
      await shim.signal(null, 9).catch((err: unknown) => {
        assert.ok(isKind(err, 'NotFound'), String(err));
        told.push(shim.state);
      });
    }
    // The shim itself may have reaped it a moment before it tells.
    assert.notEqual(told.at(-1), 'running');
    assert.equal((await exited(shim)).exitCode, 137);
  }
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

test('a child killed for lack of memory is told at once, and stays in the exit record', async () => {
  const limit = 8_388_608;
  const edit = (config: { linux: { resources: object } }) => {
    config.linux.resources = { memory: { limit, swap: limit } };
  };
  const hog = 'x=a; while true; do x=$x$x$x$x; done';
  const shim = fixture.create(sh(`(${hog}); cat; exit 0`), { edit, openStdin: true, stdinOnce: true });
  const stream = await shim.attach({ stdin: true, stdout: true, stderr: true });
  const told = new Promise<OomFacts>((resolve) => shim.onOom(resolve));
  await shim.start();
  const facts = await told;
  assert.equal(shim.state, 'running');
  assert.deepEqual([facts.kills, facts.limit], [1, limit]);
  stream.resume();
  stream.end();
  const record = await exited(shim);
  assert.deepEqual(
    [record.exitCode, record.oomKilled, record.oom?.kills, record.oom?.limit],
    [0, true, 1, limit],
  );
  if (record.oom?.peak !== undefined) assert.ok(record.oom.peak > limit / 2 && record.oom.peak <= limit);
});

test('a shim runs from a sealed copy: what it executes in a container cannot lead to the file on the host', async () => {
  const shim = fixture.create(['sleep', '100']);
  await shim.start();
  assert.equal(fs.readlinkSync(`/proc/${shim.pid}/exe`), '/memfd:wharf-shim (deleted)');
  assert.throws(() => fs.appendFileSync(`/proc/${shim.pid}/exe`, 'x'), { code: /ETXTBSY|EPERM/ });
  assert.equal(fs.readFileSync(`/proc/${shim.pid}/comm`, 'latin1'), 'wharf-shim\n');
  await shim.signal(null, 9);
  await gone(shim);
});
