import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Output } from '../output.ts';
import { DEFAULT_DETACH_KEYS, DetachScanner, parseDetachKeys } from './detach-keys.ts';
import { jsonMessages, type ProgressMessage, ProgressView, progressBar } from './progress.ts';

test('detach keys are found across reads; what only begins like them is passed on', () => {
  assert.deepEqual(parseDetachKeys(DEFAULT_DETACH_KEYS), Buffer.from([0x10, 0x11]));
  assert.deepEqual(parseDetachKeys('a,ctrl-[,ctrl-@'), Buffer.from([0x61, 0x1b, 0]));
  assert.throws(() => parseDetachKeys('ctrl-'), { message: "Unknown character: 'ctrl-'" });
  const scan = (...parts: string[]): string => {
    const scanner = new DetachScanner(parseDetachKeys('ctrl-p,ctrl-p,ctrl-q'));
    let out = '';
    for (const part of parts) {
      const { data, detached } = scanner.scan(Buffer.from(part));
      out += data.toString();
      if (detached) return `${out}!`;
    }
    return out;
  };
  assert.equal(scan('ab\x10', '\x10\x11zz'), 'ab!');
  assert.equal(scan('\x10', 'a\x11'), '\x10a\x11');
  assert.equal(scan('\x10a\x10\x10\x11'), '\x10a!');
});

const memory = (isTerminal: boolean, columns = 120): { out: Output; text: () => string } => {
  let text = '';
  const out = {
    isTerminal,
    size: () => (isTerminal ? { columns, rows: 24 } : undefined),
    write: (data: string | Buffer) => {
      text += String(data);
    },
  };
  return { out: out as unknown as Output, text: () => text };
};

const PULL: ProgressMessage[] = [
  { status: 'Pulling from x', id: '1' },
  { status: 'Pulling fs layer', id: 'a', progressDetail: {} },
  { status: 'Pulling fs layer', id: 'b', progressDetail: {} },
  { status: 'Downloading', id: 'a', progressDetail: { current: 500, total: 1000 } },
  { status: 'Pull complete', id: 'a', progressDetail: {} },
  { status: 'Digest: sha256:0' },
];

test('a terminal gets one line per layer, drawn over', () => {
  const { out, text } = memory(true);
  const view = new ProgressView(out);
  for (const message of PULL) view.show(message);
  const bar = `[${'='.repeat(25)}>${' '.repeat(25)}]     500B/1kB`;
  assert.equal(
    text(),
    '1: Pulling from x\n' +
      '\n\x1b[1A\x1b[2K\ra: Pulling fs layer\r\x1b[1B' +
      '\n\x1b[1A\x1b[2K\rb: Pulling fs layer\r\x1b[1B' +
      `\x1b[2A\x1b[2K\ra: Downloading ${bar}\r\x1b[2B` +
      '\x1b[2A\x1b[2K\ra: Pull complete\r\x1b[2B' +
      'Digest: sha256:0\n',
  );
});

test('a file or pipe gets plain lines and no counting', () => {
  const { out, text } = memory(false);
  const view = new ProgressView(out);
  for (const message of PULL) view.show(message);
  assert.equal(
    text(),
    '1: Pulling from x\na: Pulling fs layer\nb: Pulling fs layer\na: Pull complete\nDigest: sha256:0\n',
  );
  assert.throws(() => view.show({ errorDetail: { message: 'broken' }, error: 'broken' }), {
    message: 'broken',
  });
});

test('bars need room', () => {
  assert.equal(progressBar({ current: 500, total: 1000 }, 80), '    500B/1kB');
  assert.equal(progressBar({ current: 2000, total: 1000 }, 80), '     2kB');
  assert.equal(progressBar({ current: 5 }, 80), '      5B');
  assert.equal(progressBar({}, 80), '');
});

test('messages are taken from a stream cut anywhere', async () => {
  const bytes = Buffer.from('{"status":"ü"}\r\n{"id":"b"}');
  for (const size of [1, 5, 100]) {
    const chunks = (async function* () {
      for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
    })();
    assert.deepEqual(await Array.fromAsync(jsonMessages(chunks)), [{ status: 'ü' }, { id: 'b' }]);
  }
});
