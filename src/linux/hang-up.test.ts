import assert from 'node:assert/strict';
import { closeSync } from 'node:fs';
import { test } from 'node:test';
import { isHungUp } from './hang-up.ts';
import { libcFunction } from './libc.ts';
import { socketPair } from './unix-socket.ts';

const shutdown = libcFunction<[number, number]>('int shutdown(int fd, int how)');
const SHUT_WR = 1;

test('a half-closed peer is there, a closed one is not', () => {
  const [a, b] = socketPair();
  assert.equal(isHungUp(a), false);
  shutdown(b, SHUT_WR);
  assert.equal(isHungUp(a), false);
  closeSync(b);
  assert.equal(isHungUp(a), true);
  closeSync(a);
});
