import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lock } from './lock.ts';

test('tasks run one after the other, also behind one that failed', async () => {
  const lock = new Lock();
  const order: string[] = [];
  const slow = lock.run(async () => {
    order.push('slow begins');
    await new Promise((resolve) => setImmediate(resolve));
    order.push('slow ends');
    throw new Error('no');
  });
  const next = lock.run(() => order.push('next'));
  await assert.rejects(slow, /no/);
  await next;
  assert.deepEqual(order, ['slow begins', 'slow ends', 'next']);
});

test('a free lock runs its task at once', async () => {
  const lock = new Lock();
  let ran = false;
  const done = lock.run(() => {
    ran = true;
  });
  assert.equal(ran, true);
  await done;
});
