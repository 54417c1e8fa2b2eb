/**
 * Makes one JavaScript file of the command line's modules. Loading TypeScript costs 30 ms for the type stripper and
 * half a millisecond for each module; one script with V8's code cache costs next to nothing.
 *
 * This is no general bundler: it knows the forms of import and export that this package uses, and fails on others.
 */
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, relative, resolve } from 'node:path';

/** A bundle and the files it was made from. */
export interface Bundle {
  /** An expression: a function that takes `require` and gives the exports of the entry. ASCII only. */
  code: string;
  sources: string[];
}

const IMPORT = /^import\s+(?:(\*\s+as\s+\w+)|(\w+)|\{([^}]*)\})\s+from\s+'([^']+)';?$/gm;
const REEXPORT = /^export\s+(?:\*|\{([^}]*)\})\s+from\s+'([^']+)';?$/gm;
const DYNAMIC = /\bimport\(\s*'([^']+)'\s*\)/g;
const DECLARATION = /^export\s+((?:async\s+)?(?:const|let|function\*?|class)\s+([\w$]+))/gm;

/** `a, b as c` as pairs. */
const names = (list: string): Array<[name: string, as: string]> =>
  list
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
    .map((item) => {
      const [name = '', as = name] = item.split(/\s+as\s+/);
      return [name, as];
    });

/** Bundles the module at `entry`. @param root base of the modules' names */
export function bundle(entry: string, root: string): Bundle {
  const modules = new Map<string, string>();
  const queue = [entry];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (modules.has(path)) continue;
    const file = path;
    const key = (specifier: string): string => {
      if (!specifier.startsWith('.')) return specifier;
      const target = resolve(dirname(file), specifier);
      queue.push(target);
      return relative(root, target);
    };
    modules.set(file, convertModule(stripTypeScriptTypes(readFileSync(file, 'utf8')), file, key));
  }
  const table = [...modules].map(
    ([path, code]) => `${JSON.stringify(relative(root, path))}(exports) {\n${code}\n}`,
  );
  const code = `(function (require) { 'use strict';
const modules = {
${table.join(',\n')}
};
const loaded = Object.create(null);
function loadModule$(name) {
  if (name.startsWith('node:')) return require(name);
  const known = loaded[name];
  if (known) return known;
  const exports = (loaded[name] = {});
  modules[name](exports);
  return exports;
}
return loadModule$(${JSON.stringify(relative(root, entry))});
})`;
  return { code: toAscii(code), sources: [...modules.keys()] };
}

/** A script of ASCII alone is read and kept with one byte a character. The type stripper leaves odd blanks, too. */
function toAscii(code: string): string {
  return code
    .replace(/[\u2000-\u200f\u3000\u00a0\ufeff]/g, ' ')
    .replace(/[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** A module's code as the body of a function that fills `exports`. */
export function convertModule(source: string, path: string, key: (specifier: string) => string): string {
  const exported: string[] = [];
  let code = source
    .replace(/^[ \t]*\/\*\*[\s\S]*?\*\/[ \t]*\n/gm, '')
    .replace(IMPORT, (_all, space?: string, single?: string, list = '', from = '') => {
      const module = `loadModule$(${JSON.stringify(key(from))})`;
      if (space) return `const ${space.replace(/^\*\s+as\s+/, '')} = ${module};`;
      if (single) return `const ${single} = ${module};`;
      const bindings = names(list).map(([name, as]) => (name === as ? name : `${name}: ${as}`));
      return bindings.length ? `const { ${bindings.join(', ')} } = ${module};` : '';
    })
    .replace(REEXPORT, (_all, list: string | undefined, from: string) => {
      const module = `loadModule$(${JSON.stringify(key(from))})`;
      if (list === undefined) return `Object.assign(exports, ${module});`;
      return names(list)
        .map(([name, as]) => `exports.${as} = ${module}.${name};`)
        .join(' ');
    })
    .replace(
      DYNAMIC,
      (_all, from: string) => `Promise.resolve().then(() => loadModule$(${JSON.stringify(key(from))}))`,
    )
    .replace(DECLARATION, (_all, declaration: string, name: string) => {
      exported.push(name);
      return declaration;
    });
  const left = /^(import|export)\b.*$/m.exec(code);
  if (left) throw new Error(`${path}: the bundler does not know this form: ${left[0]}`);
  if (exported.length) code += `\nObject.assign(exports, { ${exported.join(', ')} });`;
  return code;
}
