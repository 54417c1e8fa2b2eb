import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { isKind } from '../errdefs/index.ts';
import { isProcessAlive } from '../linux/index.ts';
import { connectShim, readExit } from './index.ts';
import { exited, gone, readAll, ShimFixture, until } from './testing/shim-fixture.ts';

let fixture: ShimFixture;
before(() => {
  fixture = new ShimFixture();
});
after(() => fixture.close());

const sh = (script: string): string[] => ['sh', '-c', script];
const both = { stdin: false, stdout: true, stderr: true };

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
