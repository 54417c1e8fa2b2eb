import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Store } from './index.ts';

test('each migration step runs once, in order', () => {
  const store = Store.open(':memory:');
  store.migrate('room', ['CREATE TABLE t (a TEXT) STRICT', "INSERT INTO t VALUES ('one')"]);
  store.migrate('room', [
    'CREATE TABLE t (a TEXT) STRICT',
    "INSERT INTO t VALUES ('one')",
    "INSERT INTO t VALUES ('two')",
  ]);
  assert.deepEqual(
    store
      .query<{ a: string }>('SELECT a FROM t')
      .all()
      .map((row) => row.a),
    ['one', 'two'],
  );
});

test('a transaction that throws leaves nothing, nested ones included', () => {
  const store = Store.open(':memory:');
  store.migrate('room', ['CREATE TABLE t (a TEXT) STRICT']);
  const insert = store.query('INSERT INTO t VALUES (?)');
  assert.throws(() =>
    store.transaction(() => {
      insert.run('outer');
      store.transaction(() => insert.run('inner'));
      throw new Error('undo');
    }),
  );
  assert.equal(store.query('SELECT * FROM t').all().length, 0);
});
