import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CONFIG, HOST_CONFIG, renderFields } from './container-fields.ts';

const DOC = join(import.meta.dirname, '../docs/container-fields.md');

test('the tests that show fields of a container are there', () => {
  for (const [field, row] of Object.entries({ ...HOST_CONFIG, ...CONFIG })) {
    if (!('shown' in row)) continue;
    const [file = '', name = ''] = row.shown.split(/: (.*)/s);
    const path = ['.test.ts', '.ts'].map((end) => join(import.meta.dirname, file + end)).find(existsSync);
    assert.ok(path, `${field}: ${file}`);
    const text = readFileSync(path, 'utf8');
    // Tests of a table are named by its keys.
    const key = /^(\w+): $/.exec(name)?.[1];
    assert.ok(key ? text.includes(key) : text.includes(name), `${field}: ${file} has no test "${name}"`);
  }
});

test('docs/container-fields.md is the table (WHARF_UPDATE_DOCS=1 rewrites it)', () => {
  if (process.env.WHARF_UPDATE_DOCS === '1') writeFileSync(DOC, renderFields());
  assert.equal(readFileSync(DOC, 'utf8'), renderFields());
});
