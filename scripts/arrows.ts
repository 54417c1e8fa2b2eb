/**
 * Checks that rooms import each other only as scripts/rooms.ts says: through index.ts, only downward; that a package
 * stays in the rooms it is meant for and, unless only its types are used, is a real dependency; and that no files
 * import each other in a circle.
 *
 * A program of our own because dependency-cruiser 17 reads TypeScript with TypeScript's JavaScript API up to version 6;
 * version 7 has it no longer, and without it the type imports, which are arrows too, go unseen.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { GROUND, PACKAGES, ROOMS, TYPE_ARROWS } from './rooms.ts';

/** One import, re-export or dynamic import. */
export interface Import {
  specifier: string;
  line: number;
  typeOnly: boolean;
  /** `import()`: resolved when it is reached, and so no part of a circle that matters. */
  dynamic?: boolean;
}

/** A statement that starts a line; `[^'";]*?` spans lines but not statements. */
const STATEMENT =
  /^[ \t]*(import|export)\b([^'"`;=]*?)\bfrom\s*['"]([^'"]+)['"]|^[ \t]*import\s*['"]([^'"]+)['"]/gm;
const DYNAMIC = /\bimport\(\s*['"]([^'"]+)['"]\s*[,)]/g;

/** The imports of a TypeScript source, in no particular order. */
export function importsOf(source: string): Import[] {
  const lineAt = (index: number) => source.slice(0, index).split('\n').length;
  const found: Import[] = [];
  for (const match of source.matchAll(STATEMENT)) {
    const [, , clause = '', named, bare] = match;
    found.push({ specifier: named ?? bare ?? '', line: lineAt(match.index), typeOnly: isTypeOnly(clause) });
  }
  for (const match of source.matchAll(DYNAMIC)) {
    const before = source.slice(source.lastIndexOf('\n', match.index) + 1, match.index);
    if (/^\s*(\*|\/\/)/.test(before)) continue;
    // `typeof import('x')` and `import('x').Y` in a type position cannot be told from a value here: they count as values.
    found.push({ specifier: match[1] ?? '', line: lineAt(match.index), typeOnly: false, dynamic: true });
  }
  return found;
}

/** `type { A }`, or braces in which every name says `type`. */
function isTypeOnly(clause: string): boolean {
  if (/^\s+type\s+[^\s,]/.test(clause)) return true;
  const braces = /^\s*\{([^}]*)\}\s*$/.exec(clause);
  const names = braces?.[1]
    ?.split(',')
    .map((name) => name.trim())
    .filter(Boolean);
  return names !== undefined && names.length > 0 && names.every((name) => name.startsWith('type '));
}

interface Manifest {
  dependencies?: Record<string, string>;
}

/** What is wrong in the tree at `root`, one line each; empty when nothing is. */
export function checkArrows(root: string): string[] {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
  const dependencies = new Set(Object.keys(manifest.dependencies ?? {}));
  const problems: string[] = [];
  const graph = new Map<string, string[]>();
  for (const file of sourcesUnder(root)) {
    const edges: string[] = [];
    graph.set(file, edges);
    for (const each of importsOf(readFileSync(join(root, file), 'utf8'))) {
      const target = each.specifier.startsWith('.')
        ? relative(root, resolve(root, dirname(file), each.specifier))
        : undefined;
      const problem =
        target === undefined
          ? packageProblem(file, each, dependencies)
          : roomProblem(file, target, each, root);
      if (problem !== undefined) problems.push(`${file}:${each.line}: ${problem}`);
      if (target !== undefined && !each.typeOnly && !each.dynamic) edges.push(target);
    }
  }
  return [...problems, ...circles(graph)];
}

const roomOf = (file: string): string | undefined => /^src\/([^/]+)\//.exec(file)?.[1];
const isTest = (file: string): boolean => /(\.test\.ts$|\/testing\/)/.test(file);

function roomProblem(
  file: string,
  target: string,
  { specifier, typeOnly }: Import,
  root: string,
): string | undefined {
  // A test may hold code as text; that a module is really missing, the compiler tells.
  if (!existsSync(join(root, target))) return isTest(file) ? undefined : `${specifier} does not exist`;
  const from = roomOf(file);
  const to = roomOf(target);
  if (from === undefined) {
    // Measurements of one room use it through its public face.
    const measures = file.startsWith('bench/') && specifier.endsWith('/index.ts');
    return to === undefined || measures
      ? undefined
      : `${specifier}: only src/ imports from src/; use the program from outside`;
  }
  if (to === undefined) return `${specifier} is outside src/`;
  if (from === to) return undefined;
  const allowed = ROOMS[from];
  if (allowed === undefined) return `src/${from} is no room: add it to scripts/rooms.ts`;
  const open: readonly string[] = [...GROUND, ...allowed, ...(typeOnly ? (TYPE_ARROWS[from] ?? []) : [])];
  if (!open.includes(to)) return `${from} may not import ${to}`;
  if (target !== `src/${to}/index.ts`) return `${specifier}: go through ../${to}/index.ts`;
  return undefined;
}

function packageProblem(
  file: string,
  { specifier, typeOnly }: Import,
  dependencies: Set<string>,
): string | undefined {
  if (specifier.startsWith('node:')) return undefined;
  const room = roomOf(file);
  if (room === undefined) return undefined;
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
  const rooms = PACKAGES[name];
  if (rooms !== undefined && !rooms.includes(room)) return `${name} belongs in ${rooms.join(', ')}`;
  if (typeOnly || isTest(file) || dependencies.has(name)) return undefined;
  return `${name} is not in package.json's dependencies`;
}

/** Circles of value imports, each reported once. */
function circles(graph: Map<string, string[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    const at = path.indexOf(file);
    if (at >= 0) found.push(`circle: ${[...path.slice(at), file].join(' → ')}`);
    if (at >= 0 || done.has(file)) return;
    path.push(file);
    for (const next of graph.get(file) ?? []) visit(next);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return found;
}

function sourcesUnder(root: string): string[] {
  return ['src', 'library', 'scripts', 'test', 'bench'].flatMap((top) =>
    existsSync(join(root, top))
      ? readdirSync(join(root, top), { recursive: true, encoding: 'utf8' })
          .filter((name) => name.endsWith('.ts'))
          .map((name) => `${top}/${name}`)
          .sort()
      : [],
  );
}

if (import.meta.main) {
  const problems = checkArrows(join(import.meta.dirname, '..'));
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  process.stderr.write(
    problems.length === 0 ? 'arrows: all point down\n' : `arrows: ${problems.length} wrong\n`,
  );
  process.exitCode = problems.length === 0 ? 0 : 1;
}
