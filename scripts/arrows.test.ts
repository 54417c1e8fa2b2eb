import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { checkArrows, importsOf } from './arrows.ts';

test('finds every form of import, and tells types from values', () => {
  const source = `
import fs, { type Stats } from 'node:fs';
import type { A } from 'a';
import {
  type B,
  type C,
} from 'bc';
import { type D, e } from 'de';
import 'side';
export * from 'star';
export type { F } from 'f';
const g = await import('g');
/**
 * import { no } from 'comment';
 * import('comment')
 */
const text = "from 'text'";
import type from 'called-type';
`;
  const seen = importsOf(source).map(({ specifier, typeOnly }) => `${specifier}${typeOnly ? ' (type)' : ''}`);
  assert.deepEqual(seen.sort(), [
    'a (type)',
    'bc (type)',
    'called-type',
    'de',
    'f (type)',
    'g',
    'node:fs',
    'side',
    'star',
  ]);
});

test('refuses what points up, reaches behind an index or makes a circle', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'wharf-arrows-'));
  t.after(() => rmSync(root, { recursive: true }));
  const write = (name: string, text: string) => {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  };
  write('package.json', '{"dependencies": {"koffi": "1"}}');
  write('src/errdefs/index.ts', '');
  write('src/oci/index.ts', "import '../errdefs/index.ts';");
  write('src/oci/digest.ts', '');
  write('src/linux/index.ts', "import koffi from 'koffi';");
  write('src/network/index.ts', "import '../linux/index.ts';\nimport './a.ts';");
  write('src/cli/index.ts', "import type { X } from '../api/index.ts';");
  write('src/api/index.ts', "import type { Y } from '@docker/node-sdk';");
  assert.deepEqual(
    checkArrows(root).filter((line) => !line.includes('a.ts')),
    [],
  );

  write('src/network/a.ts', "import './b.ts';\nimport koffi from 'koffi';\nimport '../engine/index.ts';");
  write('src/network/b.ts', "import './a.ts';\nimport { x } from 'not-installed';");
  write('src/engine/index.ts', '');
  write('src/content/index.ts', "import { sha } from '../oci/digest.ts';");
  write('src/cli/index.ts', "import { X } from '../api/index.ts';");
  write('test/some.ts', "import '../src/oci/index.ts';");
  assert.deepEqual(checkArrows(root), [
    'src/cli/index.ts:1: cli may not import api',
    'src/content/index.ts:1: ../oci/digest.ts: go through ../oci/index.ts',
    'src/network/a.ts:2: koffi belongs in linux',
    'src/network/a.ts:3: network may not import engine',
    "src/network/b.ts:2: not-installed is not in package.json's dependencies",
    'test/some.ts:1: ../src/oci/index.ts: only src/ imports from src/; use the program from outside',
    'circle: src/network/a.ts → src/network/b.ts → src/network/a.ts',
  ]);
});
