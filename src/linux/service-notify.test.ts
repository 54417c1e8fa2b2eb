import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isErrno, notifyService } from './index.ts';

const RECEIVER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace('@', '\\0', 1) if sys.argv[1][0] == '@' else sys.argv[1])
print('bound', flush=True)
print(s.recv(4096).decode().replace('\\n', '|'), flush=True)
`;

test('the manager gets the lines, at a path and at an abstract name', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'wharf-notify-'));
  try {
    for (const address of [join(directory, 'notify'), `@wharf-notify-${process.pid}`]) {
      const receiver = spawn('python3', ['-c', RECEIVER, address], { stdio: ['ignore', 'pipe', 'inherit'] });
      let said = '';
      receiver.stdout.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
      await once(receiver.stdout, 'data');
      notifyService(address, 'READY=1', 'STATUS=serving');
      await once(receiver, 'close');
      assert.equal(said, 'bound\nREADY=1|STATUS=serving\n');
    }
    assert.throws(
      () => notifyService(join(directory, 'none'), 'READY=1'),
      (err) => isErrno(err, 'ENOENT'),
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});
