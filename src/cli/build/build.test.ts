import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { CLIENT_VERSION } from '../version.ts';
import { bundle, convertModule } from './bundle.ts';

const convert = (source: string): string => convertModule(source, 'x.ts', (name) => name.replace('./', ''));

test('every form of import and export we use', () => {
  assert.equal(
    convert(
      "import { a, b as c } from './m.ts';\nimport * as n from 'node:x';\nimport d from './d.ts';",
    ).trim(),
    'const { a, b: c } = loadModule$("m.ts");\nconst n = loadModule$("node:x");\nconst d = loadModule$("d.ts");',
  );
  assert.equal(
    convert('/** Doc. */\nexport async function f() {}\nexport const x = 1;\nexport class C {}').trim(),
    'async function f() {}\nconst x = 1;\nclass C {}\nObject.assign(exports, { f, x, C });',
  );
  assert.equal(
    convert("export { a, b as c } from './m.ts';\nexport * from './n.ts';").trim(),
    'exports.a = loadModule$("m.ts").a; exports.c = loadModule$("m.ts").b;\nObject.assign(exports, loadModule$("n.ts"));',
  );
  assert.equal(
    convert("const m = await import('./m.ts');"),
    'const m = await Promise.resolve().then(() => loadModule$("m.ts"));',
  );
  assert.throws(() => convert('export default 1;'), /does not know this form/);
});

test('the bundle holds every command and is plain ASCII', () => {
  const root = resolve(import.meta.dirname, '../..');
  const { code, sources } = bundle(resolve(root, 'cli/index.ts'), root);
  assert.ok(sources.length > 100);
  assert.doesNotMatch(code, /[^\n\x20-\x7e]/);
});

test('the version is that of the package', () => {
  const manifest = JSON.parse(
    readFileSync(resolve(import.meta.dirname, '../../../package.json'), 'utf8'),
  ) as { version: string };
  assert.equal(CLIENT_VERSION, manifest.version);
});
