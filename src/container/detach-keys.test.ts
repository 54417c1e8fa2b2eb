import assert from 'node:assert/strict';
import { type Duplex, PassThrough } from 'node:stream';
import { test } from 'node:test';
import { DetachableStream, parseDetachKeys } from './detach-keys.ts';

test('detach sequences are read as Docker writes them', () => {
  assert.deepEqual([...parseDetachKeys('ctrl-p,ctrl-q')], [16, 17]);
  assert.deepEqual([...parseDetachKeys('a,ctrl-[')], [97, 27]);
  assert.deepEqual([...parseDetachKeys('')], [16, 17]);
  assert.throws(() => parseDetachKeys('ctrl-ö'), { kind: 'InvalidParameter' });
});

function session(): { typed: () => string; stream: DetachableStream; detached: () => boolean } {
  let typed = '';
  const sink = new PassThrough().on('data', (chunk: Buffer) => {
    typed += chunk.toString();
  });
  let detached = false;
  const stream = new DetachableStream({ sources: [new PassThrough()], sink }, Buffer.from([16, 17]), () => {
    detached = true;
  });
  stream.resume();
  return { typed: () => typed, stream, detached: () => detached };
}

const write = (stream: Duplex, data: string) => new Promise((resolve) => stream.write(data, resolve));

test('a sequence split over two writes detaches and is not passed on', async () => {
  const s = session();
  await write(s.stream, 'ls\x10');
  assert.equal(s.detached(), false);
  await write(s.stream, '\x11');
  assert.equal(s.detached(), true);
  assert.equal(s.typed(), 'ls');
});

test('a sequence that goes on differently is passed on whole', async () => {
  const s = session();
  await write(s.stream, 'a\x10\x10b');
  assert.equal(s.detached(), false);
  assert.equal(s.typed(), 'a\x10\x10b');
});
