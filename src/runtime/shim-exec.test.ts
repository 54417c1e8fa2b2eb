import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { isKind } from '../errdefs/index.ts';
import { RuntimeError } from './index.ts';
import {
  demultiplex,
  execExited,
  exited,
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
const rss = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

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

test('an exec or attach while the container ends: done, or refused in words', async () => {
  for (let i = 0; i < 6; i++) {
    const shim = fixture.create(['sleep', '100']);
    await shim.start();
    const process = fixture.process(['true']);
    const exec = async (): Promise<void> => {
      const { stream } = await shim.exec({ execId: `e${i}`, process, tty: false, stdin: false });
      await readAll(stream!);
    };
    const killed = new Promise((resolve) => setTimeout(resolve, i)).then(() => shim.signal(null, 9));
    const results = await Promise.allSettled([exec(), shim.attach(both).then(readAll), killed, gone(shim)]);
    for (const result of results) {
      if (result.status === 'fulfilled') continue;
      const isWorded = isKind(result.reason, 'Conflict', 'NotFound') || result.reason instanceof RuntimeError;
      assert.ok(isWorded, String(result.reason));
    }
    await assert.rejects(shim.attach(both), (err) => isKind(err, 'Conflict'));
  }
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

test('many execs: no descriptor and no zombie stays', async () => {
  const shim = fixture.create(['sleep', '100']);
  await shim.start();
  const descriptors = (): number => fs.readdirSync(`/proc/${shim.pid}/fd`).length;
  const process = fixture.process(['true']);
  const one = async (n: number): Promise<void> => {
    const { stream } = await shim.exec({ execId: `m${n}`, process, tty: n % 4 === 0, stdin: n % 3 === 0 });
    await readAll(stream!);
  };
  // The start is answered before all that belongs to it is open; after an exec it is.
  await one(60);
  await until(() => shim.execs.size === 0, 'the first exec to be gone');
  const before = descriptors();
  for (let n = 0; n < 60; n += 6) await Promise.all([0, 1, 2, 3, 4, 5].map((i) => one(n + i)));
  // What the start itself had open may have gone meanwhile.
  await until(() => descriptors() <= before, `${before} descriptors`);
  const children = fs.readFileSync(`/proc/${shim.pid}/task/${shim.pid}/children`, 'utf8').trim();
  assert.equal(children, String(shim.initPid));
  assert.ok(rss(shim.pid) < 1536, `VmRSS ${rss(shim.pid)} kB`);
});

test('an exec has the score of its container for the killer of processes, not that of the shim', async () => {
  const shim = fixture.create(['sleep', '100']);
  const { pid } = await shim.start();
  fs.writeFileSync(`/proc/${pid}/oom_score_adj`, '300');
  const process = fixture.process(['cat', '/proc/self/oom_score_adj']);
  const { stream } = await shim.exec({ execId: 'score', process, tty: false, stdin: false });
  assert.equal(demultiplex(await readAll(stream!)).stdout, '300\n');
  await shim.signal(null, 9);
  await gone(shim);
});
