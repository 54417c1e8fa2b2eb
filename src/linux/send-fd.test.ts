import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { closeFd, isErrno, sealedCopy, sendFd, socketPair } from './index.ts';

const RECEIVE = `
import os, socket
data, fds, _, _ = socket.recv_fds(socket.socket(fileno=0), 10, 4)
print(data.decode(), os.read(fds[0], 100).decode(), end='')
`;

test('another process gets the descriptor, with the byte', {
  skip: !fs.existsSync('/usr/bin/python3'),
}, () => {
  const path = join(fs.mkdtempSync(join(tmpdir(), 'wharf-fd-')), 'file');
  fs.writeFileSync(path, 'content');
  const [ours, theirs] = socketPair();
  const file = fs.openSync(path, 'r');
  sendFd(ours, file, 0x41);
  fs.closeSync(file);
  const { stdout } = spawnSync('python3', ['-c', RECEIVE], { stdio: [theirs, 'pipe', 'inherit'] });
  assert.equal(stdout.toString(), 'A content');
  closeFd(theirs);
  assert.throws(
    () => sendFd(ours, 0),
    (err) => isErrno(err, 'EPIPE'),
  );
  closeFd(ours);
  fs.rmSync(join(path, '..'), { recursive: true });
});

test('a sealed copy runs, and cannot be written', () => {
  const fd = sealedCopy('/bin/echo', 'echo');
  const { stdout } = spawnSync(`/proc/${process.pid}/fd/${fd}`, ['hello']);
  assert.equal(stdout.toString(), 'hello\n');
  assert.throws(
    () => fs.writeSync(fd, 'x'),
    (err) => isErrno(err, 'EPERM'),
  );
  closeFd(fd);
});
