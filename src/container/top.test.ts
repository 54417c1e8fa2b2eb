import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePs } from './top.ts';

test('the lines of the container’s processes, the command whole', () => {
  const output = 'UID   PID CMD\nroot    1 /sbin/init splash\nroot   20 sleep   1 000\nroot  201 other\n';
  assert.deepEqual(parsePs(output, new Set([20])), {
    Titles: ['UID', 'PID', 'CMD'],
    Processes: [['root', '20', 'sleep 1 000']],
  });
});

test('threads, which show no pid, go with their process', () => {
  const output = ['PID STAT CMD', '1 - init', '- Ss -', '20 - sleep', '- S -', '- R -', '21 - x'].join('\n');
  assert.deepEqual(parsePs(output, new Set([20])).Processes, [
    ['20', '-', 'sleep'],
    ['-', 'S', '-'],
    ['-', 'R', '-'],
  ]);
});

test('without pids nothing can be told apart', () => {
  assert.throws(() => parsePs('CMD\nsh\n', new Set([1])), {
    message: "Couldn't find PID field in ps output",
  });
  assert.throws(() => parsePs('X PID\n1 y\n', new Set([1])), { message: /^Unexpected pid 'y'/ });
});
