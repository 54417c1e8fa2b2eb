import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { it } from 'node:test';
import { markTopDir } from './file-flags.ts';

it('markTopDir sets what lsattr shows as T, and is silent where there is no such flag', (t) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'wharf-flags-'));
  t.after(() => fs.rmSync(dir, { recursive: true }));
  if (markTopDir(dir)) {
    assert.match(execFileSync('lsattr', ['-d', dir], { encoding: 'utf8' }), /^\S*T\S* /);
    assert.ok(markTopDir(dir));
  }
  assert.equal(markTopDir('/proc/self'), false);
});
