import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { createNetns, deleteNetns, isErrno, withNetns } from './index.ts';

const base = fs.mkdtempSync(join(tmpdir(), 'wharf-netns-'));
after(() => fs.rmSync(base, { recursive: true }));

const current = (): string => fs.readlinkSync('/proc/thread-self/ns/net');
const links = (): number =>
  fs.readFileSync('/proc/thread-self/net/dev', 'utf8').trim().split('\n').length - 2;

test('a namespace is made, entered, left again also on errors, and deleted', () => {
  const path = join(base, 'ns');
  const host = current();
  createNetns(path);
  assert.equal(current(), host);
  const inside = withNetns(path, current);
  assert.notEqual(inside, host);
  assert.equal(withNetns(path, links), 1);
  assert.throws(
    () =>
      withNetns(path, () => {
        throw new Error('boom');
      }),
    /boom/,
  );
  assert.throws(() => withNetns(path, async () => 1), /synchronous/);
  assert.equal(current(), host);
  assert.throws(
    () => createNetns(path),
    (err) => isErrno(err, 'EEXIST'),
  );
  assert.equal(withNetns(path, current), inside); // untouched by the failure
  deleteNetns(path);
  assert.equal(fs.existsSync(path), false);
  deleteNetns(path);
});

test('it works in worker threads and leaves the other threads alone', async () => {
  const path = join(base, 'worker');
  const host = current();
  const code = `import { createNetns, withNetns } from ${JSON.stringify(import.meta.resolve('./index.ts'))};
    import fs from 'node:fs';
    import { parentPort } from 'node:worker_threads';
    createNetns(${JSON.stringify(path)});
    parentPort.postMessage([fs.readlinkSync('/proc/thread-self/ns/net'),
      withNetns(${JSON.stringify(path)}, () => fs.readlinkSync('/proc/thread-self/ns/net'))]);`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`));
  const [own, inside] = await new Promise<string[]>((resolve, reject) => {
    worker.once('message', resolve).once('error', reject);
  });
  assert.equal(own, host);
  assert.notEqual(inside, host);
  assert.equal(withNetns(path, current), inside);
  deleteNetns(path);
});
