/** The process is killed at random moments while layers are unpacked and snapshots come and go. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Snapshotter } from './snapshotter.ts';
import { fixture } from './testing.ts';

/** Unpacks one layer after another, each with two snapshots, one of which is removed; says what is finished. */
const victim = `
  import { Snapshotter } from ${JSON.stringify(path.join(import.meta.dirname, 'snapshotter.ts'))};
  import { archiveOf, file } from ${JSON.stringify(path.join(import.meta.dirname, 'testing.ts'))};
  import { Readable } from 'node:stream';
  import { writeSync } from 'node:fs';
  const [root, round] = process.argv.slice(2);
  const snapshots = new Snapshotter({ root });
  snapshots.reconcile(new Set(snapshots.listLayers().map((id) => id.slice(7, 27))));
  for (let i = 0; i < 500; i++) {
    const inputs = Array.from({ length: 50 }, (_, f) => file('d' + f % 5 + '/f' + f, round + '-' + i));
    const archive = await archiveOf(inputs);
    const { diffId } = await snapshots.applyLayer({ open: () => Readable.from([archive]) });
    snapshots.prepare(diffId.slice(7, 27), [diffId], { initFiles: false });
    snapshots.prepare('dead', [diffId]);
    snapshots.remove('dead');
    writeSync(1, diffId + '\\n');
  }`;

test('a killed process leaves only whole layers, and the next start clears the rest away', async (t) => {
  const { dir } = fixture(t);
  const root = path.join(dir, 'crashing');
  const script = path.join(dir, 'victim.mts');
  fs.writeFileSync(script, victim);
  const finished: string[] = [];
  for (let round = 0; round < 8; round++) {
    const child = spawn(process.execPath, [script, root, String(round)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => child.kill('SIGKILL'));
    let out = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    // The first line says that it is at work; then it may happen any time.
    child.stdout.once('data', () => setTimeout(() => child.kill('SIGKILL'), Math.random() * 60));
    await once(child, 'close');
    assert.equal(child.signalCode, 'SIGKILL');
    finished.push(...out.split('\n').filter((line) => line.length === 71));
  }
  assert.ok(finished.length >= 8);

  const snapshots = new Snapshotter({ root });
  t.after(() => snapshots.close());
  const known = new Set(snapshots.listLayers());
  for (const diffId of finished) assert.ok(known.has(diffId as `sha256:${string}`), diffId);
  for (const diffId of known) {
    const layer = path.join(root, 'layers', diffId.slice(7), 'fs');
    const files = execFileSync('find', ['.', '-type', 'f', '-size', '+0'], { cwd: layer, encoding: 'utf8' });
    assert.equal(files.trim().split('\n').length, 50, diffId);
  }
  const live = new Set(finished.map((diffId) => diffId.slice(7, 27)));
  snapshots.reconcile(live);
  await snapshots.settled();
  for (const [name, left] of [
    ['tmp', 0],
    ['trash', 0],
    ['layers', known.size],
    ['containers', live.size],
  ] as const) {
    assert.equal(fs.readdirSync(path.join(root, name)).length, left, name);
  }
  for (const key of live) assert.ok(snapshots.hasSnapshot(key));
});
