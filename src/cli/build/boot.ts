/** The start of the built command line: a few lines of CommonJS around the bundle. */

/** Flags Node is started with. V8 takes a code cache only under the flags it was made with. */
export const NODE_FLAGS: readonly string[] = ['--v8-pool-size=0', '--disable-sigusr1'];

/**
 * The text of `wharf.js`. In a working tree (one with `.git`) it compares the times of the sources with those it was
 * built from, and builds anew when they differ.
 * @param hash of the bundle, which names its files: a code cache must never meet another script
 */
export const bootCode = (hash: string): string => `'use strict';
const { existsSync, readFileSync, statSync, writeFileSync } = require('node:fs');
const root = __dirname + '/../..';
function stale() {
  if (process.env.WHARF_CLI_CACHE || !existsSync(root + '/.git')) return false;
  try {
    const sources = JSON.parse(readFileSync(__dirname + '/sources-${hash}.json', 'utf8'));
    return sources.some(([path, time]) => statSync(root + '/' + path).mtimeMs !== time);
  } catch {
    return true;
  }
}
function again() {
  const { spawnSync } = require('node:child_process');
  const flags = ['--disable-warning=ExperimentalWarning'];
  const built = spawnSync(process.execPath, [...flags, root + '/src/cli/build/main.ts'], { stdio: 'ignore' });
  const script = built.status === 0 ? __filename : root + '/src/cli/main.ts';
  process.env.WHARF_CLI_FRESH = '1';
  process.execve(process.execPath, [process.execPath, ...process.execArgv, '--', script, ...process.argv.slice(2)]);
}
if (!process.env.WHARF_CLI_FRESH && stale()) again();
else {
  delete process.env.WHARF_CLI_FRESH;
  const { Script } = require('node:vm');
  const filename = __dirname + '/bundle-${hash}.js';
  const cache = __dirname + '/bundle-${hash}.cache';
  let cachedData;
  try {
    cachedData = readFileSync(cache);
  } catch {}
  const script = new Script(readFileSync(filename, 'latin1'), { filename, cachedData });
  if (process.env.WHARF_CLI_CACHE) process.on('exit', () => writeFileSync(process.env.WHARF_CLI_CACHE, script.createCachedData()));
  script.runInThisContext()(require).main(process.argv.slice(2)).then((code) => process.exit(code));
}
`;
