import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { absentOperations, COVERAGE, renderCoverage } from './coverage.ts';
import { allRoutes } from './routes/index.ts';
import { fakeBackends } from './testing/fake-backends.ts';

const routes = allRoutes({}, { builderVersion: '1' });
const DOC = join(import.meta.dirname, '../../docs/api-coverage.md');
const MARK = '<!-- table: npm test holds it against src/api/coverage.ts -->\n';

test('every operation has a route and every route an operation', () => {
  assert.deepEqual(new Set(routes.map((route) => route.operation)), new Set(COVERAGE.keys()));
});

test('docs/api-coverage.md is the table (WHARF_UPDATE_DOCS=1 rewrites it)', () => {
  const text = readFileSync(DOC, 'utf8');
  const expected = text.slice(0, text.indexOf(MARK)) + MARK + renderCoverage(routes);
  if (process.env.WHARF_UPDATE_DOCS) writeFileSync(DOC, expected);
  else assert.equal(text, expected);
});

test('operations an engine lacks are told', () => {
  const absent = absentOperations(fakeBackends());
  assert.ok(absent.includes('ContainerStats'));
  assert.ok(absent.includes('ImageBuild'));
  assert.ok(!absent.includes('ContainerStart'));
});
