/**
 * Takes the types out of the daemon's sources, file by file, into `.build/wharfd/`: `node scripts/build-daemon.ts`.
 * Node does the same while it loads a `.ts` file, but the compiler that it keeps for that costs 27 MB resident for
 * as long as the daemon lives. Lines stay where they were, so stack traces name them rightly. `bin/wharfd` runs the
 * sources themselves when one of them is newer than this build.
 */
import { copyFileSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const target = join(root, '.build/wharfd');
const NOT_THE_DAEMON = /\.test\.ts$|\/testing\/|^src\/cli\//;

const fresh = `${target}.${process.pid}`;
rmSync(fresh, { recursive: true, force: true });
for (const file of globSync('src/**/*.ts', { cwd: root })) {
  if (NOT_THE_DAEMON.test(file)) continue;
  const javascript = stripTypeScriptTypes(readFileSync(join(root, file), 'utf8'));
  const output = join(fresh, file.replace(/\.ts$/, '.js'));
  mkdirSync(dirname(output), { recursive: true });
  // Imports and `new URL('./worker.ts', …)` name files by their endings.
  writeFileSync(output, javascript.replace(/(['"])(\.{1,2}\/[^'"\n]+)\.ts\1/g, '$1$2.js$1'));
}
copyFileSync(join(root, 'package.json'), join(fresh, 'package.json'));
writeFileSync(join(fresh, '.built'), '');
rmSync(target, { recursive: true, force: true });
renameSync(fresh, target);
