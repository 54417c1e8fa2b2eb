import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import type { ShimHandle } from './index.ts';
import { demultiplex, exited, gone, readAll, ShimFixture } from './testing/shim-fixture.ts';

let fixture: ShimFixture;
before(() => {
  fixture = new ShimFixture();
});
after(() => fixture.close());

const sh = (script: string): string[] => ['sh', '-c', script];
const both = { stdin: false, stdout: true, stderr: true };

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
